"""AES-CCM (RFC 3610) with a 13-byte nonce: COSE's AES-CCM-16-64-128 (RFC 9053 section 4.2), and BTHome's with 4 bytes.

MicroPython's `cryptolib` has AES in ECB mode only, so CCM is built on it here; CPython takes the `cryptography`
package's. One class with one face on both; tests/lora runs the same vectors on either.
"""

from . import WireError

KEY_SIZE = 16
NONCE_SIZE = 13  # 15 - L with L = 2: messages below 64 KiB
TAG_SIZE = 8


try:
    from cryptolib import aes as _aes

    class Ccm:  # pyright: ignore[reportRedeclaration]
        """One key. Never seal two messages with one nonce: it gives both away, and the key that made the tags."""

        def __init__(self, key: bytes, tag_size: int = TAG_SIZE):
            _check_key(key)
            self._encrypt = _aes(key, 1).encrypt  # 1: ECB
            self._tag_size = tag_size

        def seal(self, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
            """Ciphertext and tag; ValueError for a nonce of another size than 13."""
            _check_nonce(nonce)
            return _xor(plain, self._stream(nonce, len(plain))) + self._tag(nonce, aad, plain)

        def open(self, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
            """The plain text; WireError when the tag is not that of nonce, aad and text."""
            _check_nonce(nonce)
            size = len(sealed) - self._tag_size
            if size < 0:
                raise WireError("AES-CCM: shorter than its tag")
            plain = _xor(sealed[:size], self._stream(nonce, size))
            different = 0
            for a, b in zip(self._tag(nonce, aad, plain), sealed[size:]):
                different |= a ^ b
            if different:
                raise WireError("AES-CCM: the tag does not fit")
            return plain

        def _stream(self, nonce: bytes, size: int) -> bytes:
            # RFC 3610 section 2.3: A_1, A_2 ...
            blocks = [b"\x01" + nonce + i.to_bytes(2, "big") for i in range(1, (size + 15) // 16 + 1)]
            return self._encrypt(b"".join(blocks)) if blocks else b""

        def _tag(self, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
            # Section 2.2: B_0, then the lengths and texts, each padded to whole blocks, as a CBC-MAC.
            flags = (64 if aad else 0) | (self._tag_size - 2) // 2 << 3 | 1
            head = bytes([flags]) + nonce + len(plain).to_bytes(2, "big")
            blocks = head + (_padded(len(aad).to_bytes(2, "big") + aad) if aad else b"") + _padded(plain)
            state = bytes(16)
            for at in range(0, len(blocks), 16):
                state = self._encrypt(_xor(state, blocks[at : at + 16]))
            return _xor(state[: self._tag_size], self._encrypt(b"\x01" + nonce + b"\x00\x00"))

    def _padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    def _xor(a: bytes, b: bytes) -> bytes:
        # As two integers: an order of magnitude faster than byte by byte on a board.
        size = len(a)
        return (int.from_bytes(a, "big") ^ int.from_bytes(b[:size], "big")).to_bytes(size, "big") if size else b""

except ImportError:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    class Ccm:
        """One key. Never seal two messages with one nonce: it gives both away, and the key that made the tags."""

        def __init__(self, key: bytes, tag_size: int = TAG_SIZE):
            _check_key(key)
            self._ccm = AESCCM(key, tag_size)
            self._tag_size = tag_size

        def seal(self, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
            """Ciphertext and tag; ValueError for a nonce of another size than 13."""
            _check_nonce(nonce)
            return self._ccm.encrypt(nonce, plain, aad)

        def open(self, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
            """The plain text; WireError when the tag is not that of nonce, aad and text."""
            _check_nonce(nonce)
            if len(sealed) < self._tag_size:
                raise WireError("AES-CCM: shorter than its tag")
            try:
                return self._ccm.decrypt(nonce, sealed, aad)
            except InvalidTag:
                raise WireError("AES-CCM: the tag does not fit")


def _check_key(key: bytes) -> None:
    if len(key) != KEY_SIZE:
        raise ValueError("an AES-128 key has %d bytes, not %d" % (KEY_SIZE, len(key)))


def _check_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_SIZE:
        raise ValueError("a nonce has %d bytes, not %d" % (NONCE_SIZE, len(nonce)))
