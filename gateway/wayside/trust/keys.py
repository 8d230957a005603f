"""Signing keys of the gateway behind one small interface, and checks with public keys.

A key file holds the 32-byte Ed25519 seed (RFC 8032 section 5.1.5) and is readable by its owner only. PKCS#11 and TPM
keys come behind the same two members: `public` and `sign`.
"""

import errno
import os
import stat
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from wayside_wire.pack import key_id

from wayside.evidence.files import new_file

_LEAST_VALUES = 8  # different ones among the bytes of a seed; a random one has fewer once in 10^36
_PUBLISHED = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
    "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
)  # RFC 8032 section 7.1


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
        write_private(path, os.urandom(32))
    except FileExistsError:
        pass
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        then = "make room on the disk" if is_full else "check the folder and its rights"
        raise KeyFileError(f"{path}: cannot be made ({error.strerror}); {then}") from None
    return load(path)


def write_private(path: Path, data: bytes) -> None:
    """A new file with mode 0600, on disk when this returns; FileExistsError when there is one."""
    new_file(path, data, 0o600)


def load(path: Path) -> SoftwareKey:
    """The key in `path`; KeyFileError when it is missing, readable by others or not 32 bytes."""
    seed = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileError(f"{path}: others can read this key; type: chmod 600 {path}")
    return of_seed(path, seed)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from None


def of_seed(path: Path, seed: bytes) -> SoftwareKey:
    """The key whose seed is in `path`; KeyFileError when that is no seed, or one that anybody can guess."""
    if len(seed) != 32:
        raise KeyFileError(f"{path}: {len(seed)} bytes, a key file has 32; restore it from the backup")
    if why := _guessable(seed):
        raise KeyFileError(f"{path}: anybody can guess this key, {why}; restore the right one")
    return SoftwareKey(seed)


def _guessable(seed: bytes) -> str:
    """Why a seed is not random; a random one is told so once in 10^13 at most. Empty for any other."""
    if len(set(seed)) < _LEAST_VALUES or any(seed[period:] == seed[:-period] for period in range(1, 17)):
        return "its bytes repeat"
    steps = {after - before & 0xFF for before, after in pairwise(seed)}
    if len(steps) == 1:
        return "its bytes only count"
    if all(0x20 <= byte < 0x7F for byte in seed):
        return "it is text (a key file holds 32 random bytes as they are, no digits)"
    return "it is printed in a standard" if seed.hex() in _PUBLISHED else ""


def find_gateway_key(name: str, state: Path, credentials: str | None) -> SoftwareKey | None:
    """The gateway's key `name` ("identity" or "log"): the credential of that name, else the file in the state folder.

    credentials: systemd's folder of this unit's credentials (systemd.exec(5)), None when there is none. None when the
    key is in neither place (an empty file is one whose making was cut off); KeyFileError when it cannot be used.
    """
    if credentials and (credential := Path(credentials) / f"{name}.key").exists():
        return of_seed(credential, _read(credential))  # its rights are systemd's business
    path = state / f"{name}.key"
    return load(path) if path.exists() and path.stat().st_size else None
