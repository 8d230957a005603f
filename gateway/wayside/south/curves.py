"""What wayside_wire.session asks of a native module, by `cryptography`."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wayside.evidence.ed25519 import verifies


def x25519_public_key(secret: bytes) -> bytes:
    """The 32-byte public key of a 32-byte secret."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def x25519_shared_secret(secret: bytes, public: bytes) -> bytes:
    """32 bytes; ValueError for a public key of small order, which would give zero."""
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


ed25519_verify = verifies
