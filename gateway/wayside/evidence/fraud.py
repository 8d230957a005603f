"""A fraud proof: two checkpoints that one log signed, of one size, that differ. Honest logs have none.

They differ in their roots, or in the extension line that commits to the heads of the streams: both follow from the
entries, so one of the two histories is a lie.

CBOR map {0: "wayside-fraud/1", 1: checkpoint note, 2: checkpoint note}.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from wayside_wire import WireError, cbor

from wayside.evidence import EvidenceError
from wayside.evidence.files import replace_file
from wayside.evidence.note import ED25519, MAX_NOTE, Checkpoint, NoteKey, open_checkpoint, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin

FORMAT = "wayside-fraud/1"

_FORMAT, _FIRST, _SECOND = range(3)
_MAX_FILE = 2 * MAX_NOTE + 64


class FraudError(EvidenceError):
    """A file that is no fraud proof, or that proves nothing."""


@dataclass(frozen=True, slots=True)
class Fraud:
    """Two notes, each as it was signed; nothing of them is verified yet."""

    first: bytes
    second: bytes


def prove_fraud(fraud: Fraud, key: NoteKey) -> tuple[Checkpoint, Checkpoint]:
    """The two checkpoints when they prove that the log with `key` signed two histories; FraudError otherwise.

    As for bundles, `key` stands for every epoch of its site. A key that cannot be a log's is not one that could have
    signed.
    """
    if key.kind != ED25519:
        raise FraudError("this is the key of a witness; a log's is of type 1")
    origin = parse_origin(parse_checkpoint(parse_note(fraud.first)).origin)
    if parse_origin(key.name).site == origin.site:
        key = replace(key, name=str(origin))
    first, _ = open_checkpoint(fraud.first, key)
    second, _ = open_checkpoint(fraud.second, key)
    if first.size != second.size:
        raise FraudError(f"the checkpoints are of {first.size} and of {second.size} entries; that alone is no fraud")
    if first == second:
        raise FraudError("both checkpoints say the same")
    return first, second


def encode_fraud(fraud: Fraud) -> bytes:
    data: bytes = cbor.encode({_FORMAT: FORMAT, _FIRST: fraud.first, _SECOND: fraud.second})
    return data


def decode_fraud(data: bytes) -> Fraud:
    """The fraud proof in `data`; FraudError when it is none."""
    try:
        value = cbor.decode(data) if len(data) <= _MAX_FILE else None
    except WireError:
        value = None
    if not isinstance(value, dict) or value.get(_FORMAT) != FORMAT or list(value) != [_FORMAT, _FIRST, _SECOND]:
        raise FraudError(f"not a fraud proof of the format {FORMAT}")
    first, second = value[_FIRST], value[_SECOND]
    if not isinstance(first, bytes) or not isinstance(second, bytes):
        raise FraudError("a checkpoint is not a byte string")
    return Fraud(first, second)


def read_fraud(path: Path) -> Fraud | None:
    """The fraud proof in a file; None when the file is something else."""
    with path.open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    try:
        return decode_fraud(data)
    except FraudError:
        return None


def write_fraud(path: Path, fraud: Fraud) -> None:
    """Put the proof on disk under `path`, whole or not at all."""
    replace_file(path, encode_fraud(fraud))
