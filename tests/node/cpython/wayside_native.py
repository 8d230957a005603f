"""The native module as CPython has it: what the VM has built in, by `cryptography`."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wayside.south.curves import ed25519_verify, x25519_public_key, x25519_shared_secret

__all__ = ["ed25519_public_key", "ed25519_sign", "ed25519_verify", "x25519_public_key", "x25519_shared_secret"]


def ed25519_public_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_sign(seed, public, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)
