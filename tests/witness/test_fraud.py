"""Two signed histories: the witness keeps them as a file, and `wayside verify` says what it proves."""

from pathlib import Path

import pytest
from evidence.site_log import KEY, THIEF
from hypothesis import given
from hypothesis import strategies as st
from wayside.cli import main
from wayside.evidence.fraud import Fraud, FraudError, decode_fraud, encode_fraud, write_fraud
from witness.setting import GrowingLog, ask, new_witness

HONEST = GrowingLog().grow(5).checkpoint
FORK = GrowingLog().grow(3).grow(2, b"other").checkpoint


def judge(path: Path, capsys: pytest.CaptureFixture[str], key: str = str(KEY)) -> tuple[int, str]:
    status = main(["verify", str(path), "--key", key])
    output = capsys.readouterr()
    return status, output.out + output.err


def test_the_file_of_a_witness_is_accepted_as_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    witness = new_witness(tmp_path)
    assert ask(witness, GrowingLog().grow(5), 0)[0] == 200
    fork = GrowingLog().grow(3).grow(2, b"other")
    assert ask(witness, fork, 5)[0] == 409
    assert ask(witness, fork, 5)[0] == 409
    assert ask(witness, GrowingLog().grow(2).grow(3, b"third"), 5)[0] == 409
    files = list(tmp_path.glob("fraud-*"))
    assert len(files) == 1, "one proof for a log is enough, a thief must not fill the disk"
    status, text = judge(files[0], capsys)
    assert status == 3 and "FRAUD PROVEN" in text and KEY.name in text


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (HONEST, HONEST, "both checkpoints say the same"),
        (HONEST, GrowingLog().grow(6).checkpoint, "of 5 and of 6"),
        (HONEST, GrowingLog(key=THIEF).grow(5, b"other").checkpoint, "no signature by"),
        (HONEST, b"junk", "note"),
    ],
)
def test_what_proves_nothing_is_not_called_fraud(
    first: bytes, second: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_fraud(tmp_path / "claim", Fraud(first, second))
    status, text = judge(tmp_path / "claim", capsys)
    assert status == 1 and reason in text and "FRAUD PROVEN" not in text


@given(st.binary(max_size=500))
def test_junk_is_no_fraud_proof(data: bytes):
    with pytest.raises(FraudError):
        decode_fraud(data)


def test_it_comes_back():
    assert decode_fraud(encode_fraud(Fraud(HONEST, FORK))) == Fraud(HONEST, FORK)
