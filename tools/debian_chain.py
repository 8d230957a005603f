"""The chain from the archive's signature to one file, checked link by link after apt has brought what it takes.

apt checks that the InRelease file is signed by the keyring and refuses to go on otherwise (tools/sources.py says so to
it, whatever this system's own settings are). From there: InRelease holds the SHA-256 of each index (Sources,
Packages), and an index that of each file (Debian repository format, "Release" files and "Packages" indices).
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class ChainError(Exception):
    """A link that does not hold; the text says which."""


class Listed(NamedTuple):
    """A package as a signed index lists it: its version, and the SHA-256 of each of its files by name."""

    version: str
    files: dict[str, str]


def sources_of(lists: Path, name: str) -> list[Listed]:
    """What the signed Sources index in apt's folder `lists` says of a source package."""
    return [
        Listed(fields["Version"], {file: sha256 for sha256, file in _rows(fields.get("Checksums-Sha256", ""))})
        for fields in _stanzas(_checked_index(lists, "source/Sources"))
        if fields.get("Package") == name
    ]


def packages_of(lists: Path, name: str, architecture: str) -> list[Listed]:
    """What the signed Packages index says of a binary package."""
    return [
        Listed(fields["Version"], {fields["Filename"].rpartition("/")[2]: fields["SHA256"]})
        for fields in _stanzas(_checked_index(lists, f"binary-{architecture}/Packages"))
        if fields.get("Package") == name
    ]


def check(path: Path, listed: list[Listed], version: str) -> None:
    """ChainError unless the file is one of that version, as it was signed."""
    wanted = [each.files[path.name] for each in listed if each.version == version and path.name in each.files]
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found not in wanted:
        raise ChainError(f"{path.name} has SHA-256 {found}, the signed index says {wanted or 'nothing of it'}")


def _checked_index(lists: Path, name: str) -> str:
    """The text of an index whose SHA-256 is that of the InRelease file beside it."""
    (release,) = lists.glob("*_InRelease")
    index = release.with_name(f"{release.name.removesuffix('InRelease')}main_{name.replace('/', '_')}")
    if not index.exists():
        raise ChainError(f"{index.name} is not among apt's lists")
    data = index.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    wanted = [sha256 for sha256, file in _rows(_sha256_of(release)) if file == f"main/{name}"]
    if found not in wanted:
        raise ChainError(f"{index.name} has SHA-256 {found}, InRelease says {wanted or 'nothing of it'}")
    return data.decode()


def _sha256_of(release: Path) -> str:
    """The field SHA256 of what is signed in an InRelease file; what stands around that does not count."""
    found = re.fullmatch(
        r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: .*\n)*\n(.*?\n)-----BEGIN PGP SIGNATURE-----\n.*",
        release.read_text(),
        re.DOTALL,
    )
    if not found:
        raise ChainError(f"{release.name} is no clear-signed message")
    (fields,) = _stanzas(found[1])
    return fields.get("SHA256", "")


def _rows(field: str) -> Iterator[tuple[str, str]]:
    """(SHA-256, file name) of each line "sha256 size name"."""
    for line in field.splitlines():
        words = line.split()
        if len(words) == 3:
            yield words[0], words[2]


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    for stanza in re.split(r"\n\n+", text.strip("\n")):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[key] += "\n" + line[1:]
            else:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        yield fields
