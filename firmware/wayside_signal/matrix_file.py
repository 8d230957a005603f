"""The stored matrix: a signed note (C2SP signed-note) by the key that the configuration names."""

import binascii
import hashlib

from wayside_wire import WireError, signal_matrix

_DASH = "\u2014 "
_ED25519 = b"\x01"
MAX_NOTE = signal_matrix.MAX_TEXT + 1024


def load_matrix(wanted, verify):
    """The Matrix that the configuration asks for (`file`, `key`); as open_matrix."""
    try:
        with open(wanted.file, "rb") as file:
            data = file.read(MAX_NOTE + 1)
    except OSError:
        raise WireError("matrix.file: %s cannot be read; store the signed matrix there" % wanted.file)
    if len(data) > MAX_NOTE:
        raise WireError("matrix.file: %s is over %d bytes" % (wanted.file, MAX_NOTE))
    return open_matrix(data, wanted.key, verify)


def keep_newest(matrix, files, path: str) -> None:
    """Keep the version of this matrix in the file `path`; WireError when a newer one was in force."""
    kept = files.read(path)
    try:
        before = "" if kept is None else kept.decode() or "?"
    except ValueError:
        before = "?"
    record = signal_matrix.newest(before, matrix).encode()
    if record != kept:
        files.exchange(path, record)


def open_matrix(data: bytes, verifier: str, verify):
    """The Matrix in the note `data`, signed by `verifier` (NAME+KEYID+BASE64); WireError says what to do otherwise.

    `verify(public, message, signature) -> bool` is Ed25519.
    """
    name, key_id, public = _key(verifier)
    try:
        text, signatures = data.decode().rsplit("\n\n", 1)
    except ValueError:
        raise WireError("matrix: is not a signed note; sign it with `wayside signals matrix`")
    text += "\n"
    for line in signatures.split("\n"):
        words = line[len(_DASH) :].split(" ")
        if line.startswith(_DASH) and len(words) == 2 and words[0] == name:
            signature = _unbase64(words[1])
            if signature[:4] == key_id and len(signature) == 68 and verify(public, text.encode(), signature[4:]):
                return signal_matrix.parse(text)
    raise WireError("matrix: no signature by %s; have it signed with that key" % name)


def _key(verifier: str):
    parts = verifier.split("+", 2)
    data = _unbase64(parts[2]) if len(parts) == 3 else b""
    if len(data) != 33 or data[:1] != _ED25519:
        raise WireError("matrix.key: write NAME+KEYID+BASE64, as `wayside signals matrix` prints it")
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + data).digest()[:4]
    if binascii.hexlify(key_id).decode() != parts[1]:
        raise WireError("matrix.key: the key id does not fit name and key; a digit is wrong")
    return parts[0], key_id, data[1:]


def _unbase64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return b""
