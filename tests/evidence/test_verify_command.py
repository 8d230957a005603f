"""`wayside verify`: whom it trusts, what it asks for, which exit status, and an error that says what to write."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, LOG, NODE, ORIGIN, STREAM, THIEF, SiteLog
from wayside import cli
from wayside.evidence import merkle
from wayside.evidence.bundle import Bundle, BundleClaim, encode_bundle
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.fraud import Fraud, FraudError, encode_fraud, prove_fraud
from wayside.evidence.heads import Commitment
from wayside.evidence.kinds import DeviceBody
from wayside.evidence.note import COSIGNATURE, ED25519, Checkpoint, NoteKey, cosign, parse_note, sign_note
from wayside.evidence.proof import TlogProof, encode_proof
from wayside.trust.keys import SoftwareKey

WITNESS = SoftwareKey(b"w" * 32)
WITNESS_KEY = NoteKey("w.example/1", COSIGNATURE, WITNESS.public)
OTHER_KEY = NoteKey("other.example/log/0", ED25519, LOG.public)


def good() -> SiteLog:
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 3)
    return log


@pytest.fixture
def evidence(tmp_path: Path) -> str:
    return written(tmp_path, good().bundle())


def written(folder: Path, bundle: Bundle) -> str:
    (folder / "evidence").write_bytes(encode_bundle(bundle))
    return str(folder / "evidence")


def verify(*words: object) -> int:
    try:
        return cli.main(["verify", *map(str, words)])
    except SystemExit as error:  # argparse
        return int(str(error.code))


# --- the log's key ---


def test_the_key_as_text_and_in_a_file(evidence: str, tmp_path: Path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert verify(evidence, "--key", KEY) == 0
    assert verify(evidence, "--key", tmp_path / "key") == 0
    assert verify(evidence, "--key", replace(KEY, name="site.example/log/7")) == 0, "all epochs of the site"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (LOG.public.hex(), "digits alone have no name"),
        ("nonsense", "this is no key"),
        ("", "whom do you trust"),
        (NoteKey(ORIGIN, COSIGNATURE, LOG.public), "key of a witness"),
        (NoteKey("w.example/1", COSIGNATURE, LOG.public), "key of a witness"),
        (NoteKey("site.example", ED25519, LOG.public), "no name of a log"),
        (NoteKey("site.example/log/00", ED25519, LOG.public), "no name of a log"),
        (NoteKey("log/abc", ED25519, LOG.public), "no name of a log"),
        (str(KEY)[:-1], "base64"),
        (str(KEY).replace("+2", "+3", 1), "a digit is wrong"),
        ("+".join(["x"] * 3000), "no name|base64|Ed25519|key id"),
        ("\0+\0+\0", ""),
    ],
)
def test_what_cannot_be_a_logs_key_is_refused_and_says_what_to_write(
    key: object, why: str, evidence: str, capsys: pytest.CaptureFixture[str]
):
    assert verify(evidence, "--key", key) == 2
    told = capsys.readouterr().err
    assert any(each in told for each in why.split("|")), told
    if key:
        assert "wayside keys show SITE" in told and "SITE/log/EPOCH" in told and len(told) < 1000


def test_a_file_that_holds_no_key(evidence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for content, why in ((b"\xff\xfe", "not text"), (b"x" * 5000, "over"), (b"", "no key")):
        (tmp_path / "key").write_bytes(content)
        assert verify(evidence, "--key", tmp_path / "key") == 2
        assert why in capsys.readouterr().err


def test_a_key_of_another_site_signs_nothing_here(evidence: str, capsys: pytest.CaptureFixture[str]):
    """Trust is (site, key): the very same key under another name is not trusted for this site."""
    assert verify(evidence, "--key", OTHER_KEY) == 1
    assert "this is a log of site.example, the keys are for other.example" in capsys.readouterr().out


# --- roots and policies ---


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--root", str(KEY)], "64 hexadecimal digits"),
        (["--root", "00" * 31], "64 hexadecimal digits"),
        (["--root", "٣" * 64], "64 hexadecimal digits"),
        (["--root", LOG.public.hex(), "--roots", "2"], "1 root keys are given"),
        (["--root", LOG.public.hex(), "--root", LOG.public.hex(), "--roots", "2"], "1 root keys are given"),
        (["--key", str(KEY), "--roots", "2"], "0 root keys are given"),
        (["--key", str(KEY), "--roots", "-1"], "no number of keys"),
        (["--key", str(KEY), "--roots", "0"], "no number of keys"),
        (["--key", str(KEY), "--roots", "9" * 5000], "no number of keys"),
        (["--key", str(KEY), "--min-class", "C5"], "no assurance class"),
        (["--key", str(KEY), "--min-class", "C" + "9" * 5000], "no assurance class"),
        (["--key", str(KEY), "--min-class", "²"], "no assurance class"),
        (["--key", str(KEY), "--min-class", "C-1"], "no assurance class"),
        (["--key", str(KEY), "--fresh", "2h"], "name them with --policy"),
        (["--key", str(KEY), "--fresh", "-2h"], "no duration"),
        (["--key", str(KEY), "--fresh", "0s"], "no duration"),
        (["--key", str(KEY), "--fresh", "2"], "no duration"),
        (["--key", str(KEY), "--fresh", "9" * 5000 + "s"], "no duration"),
        (["--key", str(KEY), "--policy", "/nowhere/policy"], "No such file"),
        ([], "whom do you trust"),
    ],
)
def test_arguments_that_make_no_sense(
    words: list[str], why: str, evidence: str, capsys: pytest.CaptureFixture[str]
):
    joined = [f"{a}={b}" for a, b in zip(words[::2], words[1::2], strict=True)]
    assert verify(evidence, *joined) == 2
    assert why in capsys.readouterr().err


def test_a_policy_trusts_exactly_its_logs(evidence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    policy = tmp_path / "policy"
    policy.write_text(f"log {KEY}\nquorum none\n")
    assert verify(evidence, "--policy", policy) == 0
    policy.write_text(f"log {OTHER_KEY}\nlog {NoteKey(ORIGIN, ED25519, THIEF.public)}\nquorum none\n")
    assert verify(evidence, "--policy", policy) == 1, "the key of one log does not sign for the other"
    assert verify(evidence, "--policy", policy, "--key", KEY) == 2
    assert "the policy names other logs" in capsys.readouterr().err
    policy.write_text("quorum none\n")
    assert verify(evidence, "--policy", policy) == 2
    assert verify(evidence, "--policy", policy, "--key", KEY) == 0
    policy.write_bytes(b"x" * (2 << 20))
    assert verify(evidence, "--policy", policy, "--key", KEY) == 2


def test_min_class_asks_for_what_is_proven(evidence: str, capsys: pytest.CaptureFixture[str]):
    assert verify(evidence, "--key", KEY) == 0
    assert "class C0 as claimed by the gateway" in capsys.readouterr().out
    assert verify(evidence, "--key", KEY, "--min-class", "C0") == 1, "claimed is not proven"
    assert "Bring --root" in capsys.readouterr().out


# --- witnesses and time ---


@pytest.mark.parametrize(
    ("age_s", "words", "status"),
    [
        (3600, ["--fresh", "2h"], 0),
        (3600, ["--fresh", "30m"], 1),
        (3600, ["--fresh", "59s"], 1),
        (3600, [], 0),
        (6 * 86_400, ["--fresh", "7d"], 0),
        (-1800, [], 0),  # clocks differ
        (-86_400, [], 1),
        (-86_400, ["--fresh", "7d"], 1),
    ],
)
def test_the_time_of_a_cosignature(age_s: int, words: list[str], status: int, tmp_path: Path):
    assert verify(*_witnessed(tmp_path, int(time.time()) - age_s), *words) == status


@pytest.mark.parametrize("time_s", [0, 2**64 - 1, 2**63])
def test_a_cosignature_of_no_time(time_s: int, tmp_path: Path):
    assert verify(*_witnessed(tmp_path, time_s)) == 1
    assert verify(*_witnessed(tmp_path, time_s), "--fresh", "999999999d") == 1
    assert verify(*_witnessed(tmp_path, time_s), "--json") == 1


def _witnessed(folder: Path, time_s: int) -> list[object]:
    log = good()
    note = parse_note(log.checkpoint)
    signed = note.with_signatures([cosign(note, WITNESS_KEY, WITNESS.sign, time_s)])
    (folder / "policy").write_text(f"log {KEY}\nwitness w {WITNESS_KEY}\nquorum w\n")
    return [written(folder, replace(log.bundle(), checkpoint=signed.encode())), "--policy", folder / "policy"]


# --- files ---


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "cut").write_bytes(encode_bundle(good().bundle())[:-1])
    for name in ("nothing", "empty", "cut", ".", "x" * 300):
        assert verify(f"{tmp_path}/{name}", "--key", KEY) == 2, name
        told = capsys.readouterr().err
        assert told.startswith(f"wayside verify: {tmp_path}/{name}: ".replace("/.:", ":")), told
        assert ("`wayside export` wrote, whole" in told) == (name in ("empty", "cut")), told


def test_a_private_key_in_the_place_of_a_public_one(
    evidence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "root.key").write_bytes(b"\xff" * 32)
    assert verify(evidence, "--root", tmp_path / "root.key") == 2
    told = capsys.readouterr().err
    assert "look like a private key" in told and "Write the public key that `wayside keys make` printed" in told


def test_a_proof_of_one_entry_is_not_called_false_under_a_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It has no room for certificates: an auditor with the owner's key alone has to be told what to bring."""
    log = good()
    record, hashes = log.items[1], merkle.inclusion_proof(1, log.size, log.perfect)
    proof = TlogProof(1, tuple(hashes), log.checkpoint, record.salt + record.entry)
    (tmp_path / "proof").write_bytes(encode_proof(proof))
    assert verify(tmp_path / "proof", "--root", NODE.public.hex()) == 2
    assert "Write --key with the log's verifier key" in capsys.readouterr().err
    assert verify(tmp_path / "proof", "--root", NODE.public.hex(), "--key", KEY) == 0


def test_the_verdict_names_what_holds_and_is_not_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = good()
    assert verify(written(tmp_path, log.bundle()), "--key", KEY) == 0
    assert capsys.readouterr().out.endswith("Verdict: everything holds.\n")
    part = log.bundle(lambda index: index < log.size - 1, BundleClaim(STREAM, 0, 2))
    assert verify(written(tmp_path, part), "--key", KEY) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Verdict: everything holds. True is not complete: {DEVICE} is OPEN.", last


# --- fraud ---


def note_of(root: bytes, extensions: tuple[str, ...] = (), size: int = 4, origin: str = ORIGIN) -> bytes:
    text = Checkpoint(origin, size, root, extensions).text()
    return sign_note(text, NoteKey(origin, ED25519, LOG.public), LOG.sign).encode()


HEADS = [Commitment(1, bytes([number]) * 32).line() for number in range(2)]
PROOFS = {
    "two roots": Fraud(note_of(bytes(32)), note_of(b"1" * 32)),
    "two sets of heads over one root": Fraud(note_of(bytes(32), (HEADS[0],)), note_of(bytes(32), (HEADS[1],))),
    "heads and none": Fraud(note_of(bytes(32), (HEADS[0],)), note_of(bytes(32))),
}
NO_PROOFS = {
    "the same": Fraud(note_of(bytes(32)), note_of(bytes(32))),
    "two sizes": Fraud(note_of(bytes(32)), note_of(b"1" * 32, size=5)),
    "two epochs": Fraud(note_of(bytes(32)), note_of(b"1" * 32, origin="site.example/log/1")),
    "not signed": Fraud(note_of(bytes(32)), note_of(b"1" * 32).replace(b"site.example/log/0\n4\n", b"x\n4\n")),
}


@pytest.mark.parametrize("name", PROOFS)
def test_two_histories_are_proven(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "fraud"
    path.write_bytes(encode_fraud(PROOFS[name]))
    assert verify(path, "--key", KEY) == 3
    assert capsys.readouterr().out.startswith("FRAUD PROVEN: site.example/log/0 signed two histories of 4 entries")
    assert verify(path, "--key", KEY, "--json") == 3 and json.loads(capsys.readouterr().out)["fraud"] is True
    (tmp_path / "policy").write_text(f"log {OTHER_KEY}\nquorum none\n")
    assert verify(path, "--policy", tmp_path / "policy") == 1
    assert verify(path, "--key", NoteKey(ORIGIN, ED25519, THIEF.public)) == 1
    assert verify(path, "--root", LOG.public.hex()) == 2
    with pytest.raises(FraudError, match="key of a witness"):
        prove_fraud(PROOFS[name], NoteKey(ORIGIN, COSIGNATURE, LOG.public))


@pytest.mark.parametrize("name", NO_PROOFS)
def test_what_proves_nothing(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "fraud"
    path.write_bytes(encode_fraud(NO_PROOFS[name]))
    assert verify(path, "--key", KEY) == 1 and "proves nothing" in capsys.readouterr().out


def test_a_bundle_in_which_the_logs_key_contradicts_itself_is_a_fraud_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    log = good()
    log.add_raw(STREAM, encode_unplaced(log.now(), 2, DeviceBody("back", "", None)), number=9)
    path = written(tmp_path, log.bundle(claim=BundleClaim()))
    assert verify(path, "--key", KEY) == 3
    shown = capsys.readouterr().out
    assert "FRAUD PROVEN" in shown and "NOT hold" in shown
    assert verify(path, "--key", KEY, "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert told["fraud"] is True and told["holds"] is False
    # Who does not know the log's key proves nothing by the same file.
    assert verify(path, "--key", OTHER_KEY) == 1


def test_the_node_and_its_device_are_named(evidence: str, capsys: pytest.CaptureFixture[str]):
    assert verify(evidence, "--key", KEY, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == "wayside-verdict/1" and told["holds"] is True and told["fraud"] is False
    found = {(each["check"], each["device"]): each["facts"] for each in told["findings"]}
    assert found["origin", DEVICE]["keys"][0]["kid"] == NODE.kid.hex()
    assert found["sequence", DEVICE]["state"] == "COMPLETE" and found["sequence", DEVICE]["complete"] is True
