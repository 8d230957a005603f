"""HMAC-SHA-256 (RFC 2104), which MicroPython lacks, shortened as COSE HMAC 256/64 is (RFC 9053 section 3.1)."""

import hashlib

_BLOCK = 64


class Hmac:
    """A key made ready: what depends on the key alone is computed once."""

    def __init__(self, key: bytes):
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        padded = key + bytes(_BLOCK - len(key))
        self._inner = bytes([byte ^ 0x36 for byte in padded])
        self._outer = bytes([byte ^ 0x5C for byte in padded])

    def digest(self, message: bytes) -> bytes:
        """All 32 bytes."""
        inner = hashlib.sha256(self._inner + message).digest()
        return hashlib.sha256(self._outer + inner).digest()

    def tag(self, message: bytes) -> bytes:
        """The first 8 bytes."""
        return self.digest(message)[:8]

    def fits(self, message: bytes, tag: bytes) -> bool:
        """Whether `tag` is that of the message; takes the same time whatever the tag."""
        own = self.tag(message)
        if len(tag) != len(own):
            return False
        different = 0
        for a, b in zip(own, tag):
            different |= a ^ b
        return different == 0
