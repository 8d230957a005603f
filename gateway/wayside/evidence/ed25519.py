"""Ed25519 signatures (RFC 8032) by keys that are given, and by keys that are named by their ids."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from wayside_wire import WireError
from wayside_wire.pack import key_id


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 32-byte public key made the signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class PublicKeys:
    """Public keys by key id; `verify` is what wayside_wire.pack.open_pack asks for. Whose word counts is not judged."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def add(self, public: bytes) -> None:
        """ValueError when these are not the 32 bytes of a key."""
        self._keys[key_id(public)] = Ed25519PublicKey.from_public_bytes(public)

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key made the signature; WireError when there is no key of this id."""
        key = self._keys.get(kid)
        if key is None:
            raise WireError(f"key {kid.hex()} is not registered in the entries before it")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
