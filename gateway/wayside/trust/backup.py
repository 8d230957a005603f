"""The gateway's keys in one file under a passphrase: PKCS #8 in PEM (RFC 5958, RFC 7468), one block a key.

Any tool that reads encrypted PKCS #8 reads them too; the line before each block names the key.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from wayside.trust.keys import KeyFileError, of_seed, write_private

MIN_PASSPHRASE = 12
_BLOCK = re.compile(
    r"^(\w+)\n(-----BEGIN ENCRYPTED PRIVATE KEY-----\n.*?-----END ENCRYPTED PRIVATE KEY-----\n)", re.M | re.S
)


def encode_backup(seeds: Mapping[str, bytes], passphrase: bytes) -> bytes:
    """`seeds`: 32 bytes each, by name. KeyFileError for a passphrase that is too short."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyFileError(f"a passphrase has at least {MIN_PASSPHRASE} characters")
    encryption = BestAvailableEncryption(passphrase)
    text = "".join(
        name
        + "\n"
        + Ed25519PrivateKey.from_private_bytes(seed)
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        .decode()
        for name, seed in seeds.items()
    )
    return text.encode()


def decode_backup(data: bytes, passphrase: bytes) -> dict[str, bytes]:
    """The seeds by name; KeyFileError when the passphrase is wrong or the file is no backup."""
    blocks = _BLOCK.findall(data.decode(errors="replace"))
    if not blocks:
        raise KeyFileError("this is no backup of keys")
    found = {}
    for name, block in blocks:
        try:
            key = load_pem_private_key(block.encode(), passphrase)
        except (ValueError, TypeError):
            raise KeyFileError("the passphrase is wrong, or the backup is damaged") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"the key {name} is no Ed25519 key")
        found[name] = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return found


def restore_key(path: Path, seed: bytes) -> bool:
    """Write a key file with mode 0600; False when it holds this key already, KeyFileError when it holds another."""
    if path.exists():
        if path.read_bytes() == seed:
            return False
        raise KeyFileError(f"{path}: another key is there; move it away first if the backup is right")
    of_seed(path, seed)
    write_private(path, seed)
    return True
