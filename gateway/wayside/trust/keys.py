"""Signing keys of the gateway behind one small interface, and checks with public keys.

A key file holds the 32-byte Ed25519 seed (RFC 8032 section 5.1.5) and is readable by its owner only. PKCS#11 and TPM
keys come behind the same two members: `public` and `sign`.
"""

import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from wayside_wire.pack import key_id


class KeyFileError(Exception):
    """A key file that cannot be used; the text says what to do."""


class SigningKey(Protocol):
    """What a key has to offer: its 32-byte public key, and 64-byte Ed25519 signatures."""

    @property
    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class SoftwareKey:
    """An Ed25519 key in memory (assurance class C0)."""

    def __init__(self, seed: bytes):
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.kid = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def load_or_create(path: Path) -> SoftwareKey:
    """The key in `path`; a missing file is made, with a fresh key and mode 0600."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load(path)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be made ({error.strerror}); check the folder and its rights") from None
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(32))
        file.flush()
        os.fsync(file.fileno())
    return load(path)


def load(path: Path) -> SoftwareKey:
    """The key in `path`; KeyFileError when it is missing, readable by others or not 32 bytes."""
    try:
        mode = path.stat().st_mode
        seed = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path}: others can read this key; type: chmod 600 {path}")
    if len(seed) != 32:
        raise KeyFileError(f"{path}: {len(seed)} bytes, a key file has 32; restore it from the backup")
    return SoftwareKey(seed)


class PublicKeys:
    """The Ed25519 keys that may sign, by key id; `verify` is what wayside_wire.pack.open_pack asks for."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def add(self, public: bytes) -> bytes:
        """Accept signatures of this 32-byte public key; returns its key id."""
        kid: bytes = key_id(public)
        self._keys[kid] = Ed25519PublicKey.from_public_bytes(public)
        return kid

    def __contains__(self, kid: bytes) -> bool:
        return kid in self._keys

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        key = self._keys.get(kid)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
