"""The name of a log has one spelling, everywhere that one is read."""

from pathlib import Path

import pytest
from evidence.site_log import KEY, LOG, ORIGIN
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.fraud import Fraud, prove_fraud
from wayside.evidence.note import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    NoteError,
    NoteKey,
    open_checkpoint,
    parse_checkpoint,
    parse_log_key,
    parse_note,
    sign_note,
)
from wayside.evidence.origin import MAX_EPOCH, Origin, OriginError, parse_origin
from wayside.evidence.policy import PolicyError, parse_policy
from wayside.log.reader import epochs
from wayside.site import config
from wayside.witness.settings import WitnessFileError, from_flags
from witness.setting import GrowingLog, ask, new_witness

GOOD = [ORIGIN, "a/log/0", "a.example/b/log/3", f"site-7.example.org/log/{MAX_EPOCH}", "a.log/log/1", "logs/log/1"]
BAD = [
    "",
    "log/abc",
    "log/",
    "log/0",
    "log/0/1",
    "log/-1",
    "/log/0",
    "//log/0",
    "site.example",
    "site.example/log",
    "site.example/log/",
    "site.example/log/abc",
    "site.example/log/0/1",
    "site.example/log/-1",
    "site.example/log/-0",
    "site.example/log/+1",
    "site.example/log/00",
    "site.example/log/0000",
    "site.example/log/01",
    "site.example/log/0x1",
    "site.example/log/1_0",
    "site.example/log/1.0",
    "site.example/log/1e3",
    "site.example/log/٣",
    "site.example/log/１",
    "site.example/log/²",
    f"site.example/log/{MAX_EPOCH + 1}",
    "site.example/log/" + "9" * 5000,
    "site.example/log/0 ",
    " site.example/log/0",
    "site.example/log/0\n",
    "site.example/log/ 0",
    "site.example/LOG/0",
    "Site.example/log/0",
    "site.example//log/0",
    "/site.example/log/0",
    "site.example/./log/0",
    "site.example/../log/0",
    "site.example/log/0/log/0",
    "site.example/log/log/0",
    "log/log/0",
    "a+b/log/0",
    "a b/log/0",
    "a\u200bb/log/0",
    "a\u202eb/log/0",
    "a\x7fb/log/0",
    "a\u00a0b/log/0",
    "straße/log/0",
    "a" * 65 + "/log/0",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_canonical_origin_comes_back(text: str):
    assert str(parse_origin(text)) == text


@pytest.mark.parametrize("text", BAD)
def test_everything_else_is_no_origin(text: str):
    with pytest.raises(OriginError):
        parse_origin(text)


@given(st.text(), st.from_regex(r"[a-z0-9./-]{0,8}(/log/)?[0-9+\-/log]{0,4}", fullmatch=True), st.booleans())
def test_what_is_taken_is_in_its_one_form(junk: str, near: str, is_near: bool):
    text = near if is_near else junk
    try:
        origin = parse_origin(text)
    except OriginError:
        return
    assert str(origin) == text and parse_origin(str(Origin(origin.site, origin.epoch))) == origin


@pytest.mark.parametrize("fields", [("", 0), ("a", -1), ("a", MAX_EPOCH + 1), ("a/log", 0), ("a b", 0)])
def test_an_origin_cannot_be_made_that_could_not_be_read(fields: tuple[str, int]):
    with pytest.raises(OriginError):
        Origin(*fields)


def signed(origin: str, root: bytes = bytes(32)) -> bytes:
    """As the holder of the log's key can sign it, whatever he calls his log."""
    return sign_note(Checkpoint(origin, 1, root).text(), NoteKey(origin, ED25519, LOG.public), LOG.sign).encode()


FORMED = [each for each in BAD if each and not any(character.isspace() or character == "+" for character in each)]


@pytest.mark.parametrize("origin", [each for each in FORMED if "\x7f" not in each])
def test_no_reader_takes_another_spelling(origin: str, tmp_path: Path):
    key = NoteKey(origin, ED25519, LOG.public)
    with pytest.raises(NoteError):
        parse_checkpoint(parse_note(signed(origin)))
    with pytest.raises(EvidenceError):
        open_checkpoint(signed(origin), key)
    with pytest.raises(EvidenceError):
        parse_log_key(str(key))
    with pytest.raises(PolicyError, match="line 1"):
        parse_policy(f"log {key}\nquorum none\n".encode())
    with pytest.raises(WitnessFileError):
        from_flags({"state": "w", "name": "w", "logs": [str(key)]})
    with pytest.raises(EvidenceError):
        new_witness(tmp_path, key)
    for named in (key, KEY, NoteKey("", ED25519, LOG.public)):
        with pytest.raises(EvidenceError):
            prove_fraud(Fraud(signed(origin), signed(origin, b"1" * 32)), named)
    with pytest.raises(EvidenceError):
        prove_fraud(Fraud(signed(ORIGIN), signed(ORIGIN, b"1" * 32)), key)


@pytest.mark.parametrize("epoch", ["00", "0000", "01", "-1", "٣", "abc", str(MAX_EPOCH + 1)])
def test_a_witness_cosigns_no_second_spelling_of_an_epoch(epoch: str, tmp_path: Path):
    witness = new_witness(tmp_path)
    assert ask(witness, GrowingLog().grow(1), 0)[0] == 200
    assert ask(witness, GrowingLog(f"site.example/log/{epoch}").grow(2), 0)[0] == 400


def test_a_key_of_a_log_is_no_key_of_a_witness():
    assert parse_log_key(str(KEY)) == KEY
    with pytest.raises(EvidenceError, match="key of a witness"):
        parse_log_key(str(NoteKey(ORIGIN, COSIGNATURE, LOG.public)))


def test_files_with_another_number_are_no_epochs(tmp_path: Path):
    names = ("0", "12", "00", "012", "-1", "٣", "x", "", str(MAX_EPOCH + 1))
    for name in names:
        (tmp_path / f"epoch-{name}.signed").write_bytes(b"")
    assert sorted(epochs(tmp_path)) == [0, 12]


@pytest.mark.parametrize("name", ["log", "a/log", "a/log/b", "a/../b", "a/", "/a", "a//b", "A", "a b", "a+b", "a" * 65])
def test_a_site_cannot_be_called_what_no_origin_begins_with(name: str, tmp_path: Path):
    (tmp_path / "site.toml").write_text(f'[site]\nname = "{name}"\n')
    with pytest.raises(config.SiteFileError, match="domain-like name"):
        config.load(tmp_path / "site.toml")
