"""C2SP tlog-proof: the specification's form, everything out of form, and the verdict on one entry."""

from pathlib import Path

import pytest
from evidence.site_log import KEY, STREAM, THIEF, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside import cli
from wayside.evidence import EvidenceError, merkle
from wayside.evidence.certificate import Trust
from wayside.evidence.finding import Finding
from wayside.evidence.note import ED25519, NoteKey, b64
from wayside.evidence.proof import HEADER, TlogProof, encode_proof, parse_proof
from wayside.evidence.verify import verify_proof

LOG = SiteLog()
LOG.add_key()
LOG.add_packs(0, 12)


def proof_of(index: int, size: int = 13) -> TlogProof:
    hashes = tuple(merkle.inclusion_proof(index, size, LOG.perfect))
    return TlogProof(index, hashes, LOG.checkpoint_at(size), LOG.items[index].salt + LOG.items[index].entry)


def judge(proof: TlogProof, key: NoteKey = KEY) -> tuple[bool, dict[str, Finding]]:
    holds, findings = verify_proof(parse_proof(encode_proof(proof)), Trust.in_key(key))
    return holds, {each.subject: each for each in findings}


def test_the_lines_are_those_of_the_specification():
    proof = proof_of(5)
    lines = encode_proof(proof).decode().split("\n")
    assert lines[0] == HEADER
    assert lines[1] == "extra " + b64(LOG.items[5].salt + LOG.items[5].entry)
    assert lines[2] == "index 5"
    assert lines[3:7] == [b64(each) for each in proof.hashes] and lines[7] == ""
    assert "\n".join(lines[8:]).encode() == LOG.checkpoint
    assert encode_proof(TlogProof(0, (), b"x")) == f"{HEADER}\nindex 0\n\nx".encode()


@pytest.mark.parametrize("index", range(13))
def test_every_entry_is_proven(index: int):
    holds, findings = judge(proof_of(index))
    what = f"pack entry, number {index - 1} of {STREAM}" if index else "key entry, number 0 of keys"
    assert holds and f"entry {index} is a {what}" in findings["inclusion"].text


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.none() | st.binary())
def test_a_proof_comes_back_as_it_was_written(index: int, hashes: list[bytes], extra: bytes | None):
    proof = TlogProof(index, tuple(hashes), LOG.checkpoint, extra)
    assert parse_proof(encode_proof(proof)) == proof


GOOD = encode_proof(proof_of(5))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"index 5", b"index 05"),
        GOOD.replace(b"index 5", b"index -5"),
        GOOD.replace(b"index 5", b"index 9223372036854775808"),
        GOOD.replace(b"index 5\n", b""),
        GOOD.replace(b"index 5\n", b"index 5\nAAAA\n"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"extra ", b"extra !"),
        GOOD.partition(b"\n\n")[0],
        GOOD.replace(b"index 5\n", b"index 5\n" + (b64(bytes(32)) + "\n").encode() * 60),
        b"\xff" + GOOD,
    ],
)
def test_what_is_out_of_form_is_refused(data: bytes):
    with pytest.raises(EvidenceError):
        parse_proof(data)


def test_what_does_not_hold():
    good = proof_of(5)
    other = proof_of(6)
    assert not judge(good, NoteKey(KEY.name, ED25519, THIEF.public))[0]
    for wrong in (
        TlogProof(6, good.hashes, good.checkpoint, good.extra),
        TlogProof(5, good.hashes[1:], good.checkpoint, good.extra),
        TlogProof(5, (*good.hashes, bytes(32)), good.checkpoint, good.extra),
        TlogProof(5, good.hashes, LOG.checkpoint_at(12), good.extra),
        TlogProof(5, good.hashes, good.checkpoint, other.extra),
        TlogProof(5, good.hashes, good.checkpoint, None),
        TlogProof(5, good.hashes, good.checkpoint, b"short"),
    ):
        holds, findings = judge(wrong)
        assert not holds and not findings["inclusion"].holds


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_never_holds(at: int, change: int):
    raw = bytearray(GOOD)
    raw[at] ^= change
    try:
        proof = parse_proof(bytes(raw))
    except EvidenceError:
        return
    assert not verify_proof(proof, Trust.in_key(KEY))[0]


def test_the_command_knows_a_proof_when_it_sees_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "entry.tlog-proof"
    path.write_bytes(GOOD)
    assert cli.main(["verify", str(path), "--key", str(KEY)]) == 0
    assert "entry 5 is a pack entry" in capsys.readouterr().out
    assert cli.main(["verify", str(path), "--key", str(NoteKey(KEY.name, ED25519, THIEF.public))]) == 1
    path.write_bytes(GOOD[:40])
    assert cli.main(["verify", str(path), "--key", str(KEY)]) == 2
