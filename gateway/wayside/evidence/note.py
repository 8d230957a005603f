"""Signed notes, checkpoints and cosignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

A note is text and signature lines; a checkpoint is a note whose text is origin, size and root of a log. Parsing is
strict: what is not exactly in form is refused whole, before any signature is looked at.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from struct import pack, unpack_from

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.ed25519 import check_public, verifies
from wayside.evidence.origin import OriginError, parse_origin

ED25519 = 0x01  # signed-note, signature types
COSIGNATURE = 0x04  # tlog-cosignature: a timestamped Ed25519 signature of a witness

MAX_NOTE = 64 * 1024  # bytes
MAX_SIGNATURES = 64
LAST_TIME_S = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that calendars of common libraries can write

_DASH = "— "
_SIGNATURE_LINE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")

Sign = Callable[[bytes], bytes]


class NoteError(EvidenceError):
    """A note that is not in form, or without the signature it needs."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key as notes name it. `kind`: ED25519 or COSIGNATURE."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes: SHA-256(name, newline, kind, public key), shortened."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """The verifier key: name+key id+base64(kind, public key), as C2SP tools write it."""
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.public)}"


def parse_key(text: str) -> NoteKey:
    """The key of a verifier key text; NoteError says what is wrong with it."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key is NAME+KEYID+BASE64, this has no two plus signs")
    name, key_id, encoded = parts
    check_name(name)
    data = unbase64(encoded)
    if len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
        raise NoteError("the verifier key does not hold an Ed25519 key")
    try:
        check_public(data[1:])
    except EvidenceError as error:
        raise NoteError(f"the verifier key cannot be used: {error}") from None
    key = NoteKey(name, data[0], data[1:])
    if key.key_id.hex() != key_id:
        raise NoteError("the key id does not fit name and key: a digit is wrong")
    return key


def parse_log_key(text: str) -> NoteKey:
    """The key of a site's log, named by the origin of one of its epochs; EvidenceError when it cannot be one."""
    key = parse_key(text)
    if key.kind != ED25519:
        raise NoteError("this is the key of a witness; write the verifier key of a log")
    parse_origin(key.name)
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One line: who, with which key id, and the bytes after it."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        return f"{_DASH}{self.name} {b64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note in form; nothing of it is verified yet. `text` ends with a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode()

    def verified_by(self, key: NoteKey) -> Signature:
        """The signature of `key`; NoteError when there is none, it does not verify, or it is of no time."""
        found = [each for each in self.signatures if each.name == key.name and each.key_id == key.key_id]
        if not found:
            raise NoteError(f"no signature by {key.name}+{key.key_id.hex()}")
        for signature in found:
            if not _verifies(key, self.text.encode(), signature.data):
                raise NoteError(f"the signature by {key.name} does not verify")
            if key.kind == COSIGNATURE:
                cosigned_at(signature)
        return found[0]

    def with_signatures(self, more: Iterable[Signature]) -> "Note":
        return Note(self.text, (*self.signatures, *more))


def sign_note(text: str, key: NoteKey, sign: Sign) -> Note:
    """`text` signed by an ED25519 key."""
    return Note(text, (Signature(key.name, key.key_id, sign(text.encode())),))


def parse_note(data: bytes) -> Note:
    """The note in `data`; NoteError when it is not in form."""
    if len(data) > MAX_NOTE:
        raise NoteError(f"a note of {len(data)} bytes is over {MAX_NOTE}")
    try:
        content = data.decode()
    except UnicodeDecodeError:
        raise NoteError("the note is not UTF-8") from None
    if any(character < " " and character != "\n" for character in content):
        raise NoteError("the note has a control character (a carriage return, perhaps)")
    body, separator, tail = content.rpartition("\n\n")
    if not separator or not body or not tail.endswith("\n"):
        raise NoteError("the note has no blank line with signatures after it")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"the note has {len(lines)} signatures, at most {MAX_SIGNATURES} are read")
    signatures = tuple(_parse_signature(line) for line in lines)
    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):
        raise NoteError("a key has signed the note twice")
    return Note(body + "\n", signatures)


def _parse_signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if not match:
        raise NoteError("a signature line is not '— NAME BASE64'")
    check_name(match[1])
    data = unbase64(match[2])
    if len(data) < 5:
        raise NoteError("a signature is shorter than its key id")
    return Signature(match[1], data[:4], data[4:])


# --- checkpoints ---


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree: what a log signs and a witness co-signs."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [self.origin, str(self.size), b64(self.root), *self.extensions]
        return "".join(line + "\n" for line in lines)


def parse_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint that is a note's text; NoteError when it is not in form, or not of a log in its one spelling."""
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has three lines at least and none empty")
    origin, size, root, *extensions = lines
    try:
        parse_origin(origin)
    except OriginError as error:
        raise NoteError(str(error)) from None
    if not _SIZE.fullmatch(size) or int(size) > merkle.MAX_SIZE:
        raise NoteError("the tree size is not a plain decimal number")
    decoded = unbase64(root)
    if len(decoded) != merkle.HASH_SIZE:
        raise NoteError("the root hash is not 32 bytes")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def open_checkpoint(data: bytes, key: NoteKey) -> tuple[Checkpoint, Note]:
    """A checkpoint that `key` signed as the log: key name and origin are the same."""
    note = parse_note(data)
    note.verified_by(key)
    checkpoint = parse_checkpoint(note)
    if checkpoint.origin != key.name:
        raise NoteError(f"the checkpoint is of {checkpoint.origin}, the key is that of {key.name}")
    return checkpoint, note


# --- cosignatures ---


def cosign(note: Note, key: NoteKey, sign: Sign, time_s: int) -> Signature:
    """The cosignature of a witness (kind COSIGNATURE) at `time_s`, seconds since 1970."""
    return Signature(key.name, key.key_id, pack(">Q", time_s) + sign(_cosigned(note.text.encode(), time_s)))


def cosigned_at(signature: Signature) -> int:
    """The time of a cosignature, seconds since 1970, from 1 to LAST_TIME_S; NoteError when it names no such time."""
    time_s: int = unpack_from(">Q", signature.data)[0] if len(signature.data) >= 8 else 0
    if not 1 <= time_s <= LAST_TIME_S:
        raise NoteError(f"the cosignature by {signature.name} names no time: {time_s} s since 1970")
    return time_s


def _cosigned(text: bytes, time_s: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % time_s + text


def _verifies(key: NoteKey, text: bytes, data: bytes) -> bool:
    if key.kind == COSIGNATURE:
        if len(data) != 72:
            return False
        text, data = _cosigned(text, unpack_from(">Q", data)[0]), data[8:]
    return verifies(key.public, text, data)


def check_name(name: str) -> None:
    """NoteError for a name that no note may have."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("a key name has no spaces and no plus sign, and is not empty")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unbase64(text: str) -> bytes:
    """The bytes of standard base64 in its one form; NoteError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("not base64") from None
    if b64(data) != text:
        raise NoteError("not the one base64 form of its bytes")
    return data
