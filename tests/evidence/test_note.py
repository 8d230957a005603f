"""Signed notes, checkpoints and cosignatures: what is exactly in form passes, everything else is refused whole."""

import base64
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.note import (
    COSIGNATURE,
    ED25519,
    MAX_SIGNATURES,
    Checkpoint,
    NoteError,
    NoteKey,
    Signature,
    cosign,
    cosigned_at,
    open_checkpoint,
    parse_checkpoint,
    parse_key,
    parse_note,
    sign_note,
)
from wayside.trust.keys import SoftwareKey

ORIGIN = "site.example/log/0"
LOG = SoftwareKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, ED25519, LOG.public)
WITNESS = SoftwareKey(bytes(32))
WITNESS_KEY = NoteKey("witness.example/w1", COSIGNATURE, WITNESS.public)
CHECKPOINT = Checkpoint(ORIGIN, 20852163, bytes(range(32)))
NOTE = sign_note(CHECKPOINT.text(), KEY, LOG.sign)
RAW = NOTE.encode()
ROOT = base64.b64encode(bytes(32)).decode()


def line(number: int) -> str:
    return Signature(f"other.example/{number}", b"abcd", bytes(64)).line()


def test_a_checkpoint_comes_back_as_it_was_signed():
    assert open_checkpoint(RAW, KEY) == (CHECKPOINT, NOTE)
    assert parse_note(RAW).encode() == RAW
    extended = replace(CHECKPOINT, extensions=("more", "and more"))
    assert parse_checkpoint(parse_note(sign_note(extended.text(), KEY, LOG.sign).encode())) == extended


def test_the_verifier_key_comes_back():
    for key in (KEY, WITNESS_KEY):
        assert parse_key(str(key)) == key
        assert parse_key(f"  {key}\n") == key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no plus signs", "NAME"),
        (str(KEY).replace(ORIGIN, "another.example"), "digit"),
        (str(KEY)[:-4], "Ed25519"),
        (str(KEY)[:-1], "base64"),
        ("+00000000+" + str(KEY).rpartition("+")[2], "empty"),
        (f"a b+00000000+{str(KEY).rpartition('+')[2]}", "spaces"),
        (str(NoteKey(ORIGIN, 2, LOG.public)), "Ed25519"),
    ],
)
def test_a_broken_verifier_key_is_refused(text: str, why: str):
    with pytest.raises(NoteError, match=why):
        parse_key(text)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "blank line"),
        (CHECKPOINT.text().encode(), "blank line"),
        (RAW[:-1], "blank line"),
        (RAW.replace(b"\n", b"\r\n"), "control character"),
        (RAW.replace(b"site", b"si\x00te", 1), "control character"),
        (RAW.replace(b"site", b"si\x09te", 1), "control character"),
        (b"\xff" + RAW, "UTF-8"),
        (RAW + b"\n", "blank line|signature line"),
        (RAW.replace("— ".encode(), b"- "), "signature line"),
        (RAW.replace("— ".encode(), "—  ".encode()), "signature line"),
        (RAW.rstrip(b"\n") + b" \n", "signature line"),
        (RAW + RAW.rpartition(b"\n\n")[2], "twice"),
        (RAW + "".join(map(line, range(1000))).encode(), "1001 signatures|over"),
        (b"x" * (1 << 20) + RAW, "over"),
        (RAW + "— a+b AAAAAAA=\n".encode(), "plus sign"),
        (RAW + "— a AAAA\n".encode(), "shorter"),
        (RAW + "— a AAAAAAB=\n".encode(), "one base64 form"),
        (RAW + "— a AAAAA\n".encode(), "base64"),
    ],
)
def test_a_note_out_of_form_is_refused(raw: bytes, why: str):
    with pytest.raises(NoteError, match=why):
        parse_note(raw)


def test_sixteen_signatures_are_read_and_unknown_ones_ignored():
    """C2SP signed-note: at least 16 must be accepted, those of unknown keys ignored."""
    raw = RAW + "".join(map(line, range(16))).encode()
    _, note = open_checkpoint(raw, KEY)
    assert len(note.signatures) == 17 <= MAX_SIGNATURES
    other_id = Signature(ORIGIN, b"abcd", bytes(64)).line().encode()
    open_checkpoint(RAW + other_id, KEY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{ORIGIN}\n1\n", "three lines"),
        (f"\n1\n{ROOT}\n", "empty"),
        (f"{ORIGIN}\n1\n{ROOT}\n\nx\n", "empty"),
        (f"{ORIGIN}\n01\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n-1\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n+1\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n1 \n{ROOT}\n", "size"),
        (f"{ORIGIN}\n\u0661\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n{2**63}\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n{'9' * 400}\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n1\n{base64.b64encode(bytes(31)).decode()}\n", "32 bytes"),
        (f"{ORIGIN}\n1\n{ROOT[:-1]}\n", "base64"),
        (f"{ORIGIN}\n1\n{base64.urlsafe_b64encode(bytes([255] * 32)).decode()}\n", "base64"),
    ],
)
def test_a_checkpoint_out_of_form_is_refused_although_it_is_signed(text: str, why: str):
    with pytest.raises(NoteError, match=why):
        open_checkpoint(sign_note(text, KEY, LOG.sign).encode(), KEY)


@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject):
    raw = bytearray(RAW)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        open_checkpoint(bytes(raw), KEY)


def test_a_checkpoint_of_another_log_or_key_is_refused():
    other = NoteKey(ORIGIN, ED25519, WITNESS.public)
    with pytest.raises(NoteError, match="no signature by"):
        open_checkpoint(RAW, other)
    foreign = sign_note(replace(CHECKPOINT, origin="elsewhere.example/log/0").text(), KEY, LOG.sign).encode()
    with pytest.raises(NoteError, match="is of elsewhere"):
        open_checkpoint(foreign, KEY)
    forged = replace(NOTE, signatures=(replace(NOTE.signatures[0], data=bytes(64)),))
    with pytest.raises(NoteError, match="does not verify"):
        open_checkpoint(forged.encode(), KEY)


def test_a_cosignature_commits_to_its_time_and_is_no_plain_signature():
    signature = cosign(NOTE, WITNESS_KEY, WITNESS.sign, 1_679_315_147)
    note = NOTE.with_signatures([signature])
    assert cosigned_at(parse_note(note.encode()).verified_by(WITNESS_KEY)) == 1_679_315_147
    later = replace(signature, data=(1_679_315_148).to_bytes(8, "big") + signature.data[8:])
    with pytest.raises(NoteError, match="does not verify"):
        NOTE.with_signatures([later]).verified_by(WITNESS_KEY)
    # Algorithm confusion: the key of one kind does not take the signature of the other.
    plain = NoteKey(WITNESS_KEY.name, ED25519, WITNESS.public)
    with pytest.raises(NoteError, match="no signature by"):
        note.verified_by(plain)
    for data in (signature.data[8:], signature.data[:71], signature.data + b"\0", b""):
        with pytest.raises(NoteError):
            NOTE.with_signatures([replace(signature, data=data)]).verified_by(WITNESS_KEY)


def test_openssl_agrees(tmp_path: Path):
    """A second, independent check: the signature is plain Ed25519 over the text."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl is not installed")
    # SubjectPublicKeyInfo of an Ed25519 key, RFC 8410 section 4: a fixed head, then the 32 bytes.
    (tmp_path / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + LOG.public)
    (tmp_path / "text").write_bytes(RAW.rpartition(b"\n\n")[0] + b"\n")
    signature = base64.b64decode(RAW.split()[-1])[4:]
    for content, status in ((signature, 0), (bytes(64), 1)):
        (tmp_path / "signature").write_bytes(content)
        words = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin", "-in", "text"]
        ran = subprocess.run([openssl, *words, "-sigfile", "signature"], cwd=tmp_path, capture_output=True)
        assert ran.returncode == status, ran.stderr


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_nothing_else_than_an_evidence_error_comes_out(data: bytes):
    for raw in (data, RAW + data, data + RAW):
        try:
            parse_checkpoint(parse_note(raw))
        except EvidenceError:
            continue
