"""Files that are no bundles: the proof of one entry, and what a receiver writes when the log's key lied."""

import json
from pathlib import Path

import pytest
from evidence.site_log import KEY, STREAM, SiteLog
from hostile.case import BY_KEY, FAILS, FRAUD, UNREADABLE, good
from receiver.evidence import account_of
from wayside import cli
from wayside.evidence import merkle
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.fraud_batches import FORMAT, BatchFraud, encode_batch_fraud
from wayside.evidence.kinds import DeviceBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.proof import TlogProof, encode_proof
from wayside_wire import cbor


def verify(tmp_path: Path, data: bytes, *words: str) -> int:
    path = tmp_path / "evidence"
    path.write_bytes(data)
    return cli.main(["verify", str(path), *(words or BY_KEY)])


def proof_of(log: SiteLog, index: int) -> bytes:
    hashes = tuple(merkle.inclusion_proof(index, log.size, log.perfect))
    record = log.items[index]
    return encode_proof(TlogProof(index, hashes, log.checkpoint, record.salt + record.entry))


def lied() -> SiteLog:
    log = good(3)
    log.add_raw(STREAM, encode_unplaced(log.now(), 2, DeviceBody("back", "", None)), 999)
    return log


def test_an_entry_whose_number_is_above_its_index_is_fraud_in_its_own_proof(tmp_path: Path):
    assert verify(tmp_path, proof_of(lied(), 4)) == FRAUD
    assert verify(tmp_path, proof_of(good(3), 3)) == 0


def test_a_class_that_is_asked_for_is_not_passed_over_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert verify(tmp_path, proof_of(good(3), 3), *BY_KEY, "--min-class", "C4") == FAILS
    assert "no class is known" in capsys.readouterr().out


def test_what_a_receiver_wrote_is_accepted_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (fraud,) = account_of(lied()).proofs()
    data = encode_batch_fraud(fraud)
    assert verify(tmp_path, data) == FRAUD
    assert "FRAUD PROVEN: site.example/log/0 signed what cannot be: entry 4 has number 999" in capsys.readouterr().out
    assert verify(tmp_path, data, *BY_KEY, "--json") == FRAUD
    assert json.loads(capsys.readouterr().out)["fraud"] is True
    other = NoteKey("other.example/log/0", ED25519, KEY.public)
    assert verify(tmp_path, data, "--key", str(other)) == FAILS, "another site's key"


def test_an_honest_log_is_not_found_guilty_by_what_it_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = good(6)
    notes = tuple(log.checkpoint_at(size) for size in (3, 5, 7))
    assert verify(tmp_path, encode_batch_fraud(BatchFraud(tuple(log.heads(3)), notes))) == FAILS
    assert "proves nothing" in capsys.readouterr().out


@pytest.mark.parametrize("field", [1, 2, 3])
def test_a_list_of_a_million_is_refused_before_it_is_made(tmp_path: Path, field: int):
    million = cbor.encode([]) * (1 << 20)
    lists = [b"\x9a" + (1 << 20).to_bytes(4, "big") + million if each == field else b"\x80" for each in (1, 2, 3)]
    fields = b"".join(bytes([number]) + each for number, each in enumerate(lists, 1))
    assert verify(tmp_path, b"\xa4\x00" + cbor.encode(FORMAT) + fields) == UNREADABLE
