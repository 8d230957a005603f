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

    def digest(self, *parts: bytes) -> bytes:
        """All 32 bytes of a message in one or more parts: what need not be put together is not copied."""
        inner = hashlib.sha256(self._inner)
        for part in parts:
            inner.update(part)
        outer = hashlib.sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()

    def tag(self, *parts: bytes) -> bytes:
        """The first 8 bytes."""
        return self.digest(*parts)[:8]

    def fits(self, tag: bytes, *parts: bytes) -> bool:
        """Whether `tag` is that of the message in `parts`; takes the same time whatever the tag."""
        own = self.tag(*parts)
        if len(tag) != len(own):
            return False
        return int.from_bytes(own, "big") ^ int.from_bytes(tag, "big") == 0
