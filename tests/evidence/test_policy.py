"""C2SP tlog-policy files: the structure of the specification's example, and everything that is out of form."""

from dataclasses import replace
from pathlib import Path

import pytest
from evidence.site_log import KEY, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside import cli
from wayside.evidence.bundle import BundleClaim, encode_bundle
from wayside.evidence.note import COSIGNATURE, LAST_TIME_S, Note, NoteError, NoteKey, cosign, cosigned_at, parse_note
from wayside.evidence.policy import PolicyError, fresh, parse_policy
from wayside.trust.keys import SoftwareKey

SECRETS = {name: SoftwareKey(name.encode() * 16) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
KEYS = {name: NoteKey(f"w.example/{name}", COSIGNATURE, secret.public) for name, secret in SECRETS.items()}
WITNESSES = "".join(f"witness {name} {key}\n" for name, key in KEYS.items())
TWO_LEVELS = f"""# two organisations
log {KEY}
\t
{WITNESSES}
group X-witnesses 2 X1 X2 X3
  group Y-witnesses any\tY1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def note_by(*names: str):
    log = SiteLog()
    log.add_key()
    note = parse_note(log.checkpoint)
    return note.with_signatures(cosign(note, KEYS[name], SECRETS[name].sign, 5) for name in names)


@pytest.mark.parametrize(
    ("names", "met"),
    [
        ("X1 X2 Y1", True),
        ("X2 X3 Y3", True),
        ("X1 X2 X3 Y1 Y2 Y3", True),
        ("X1 Y1 Y2 Y3", False),
        ("X1 X2 X3", False),
        ("", False),
    ],
)
def test_a_quorum_of_two_levels(names: str, met: bool):
    policy = parse_policy(TWO_LEVELS.encode())
    assert policy.logs == [KEY]
    found = policy.cosigned(note_by(*names.split()))
    assert found == set(names.split()) and policy.met_by(found) is met


@pytest.mark.parametrize(
    ("newest_s", "oldest_s", "names"),
    [(10, 5, {"b", "c"}), (9, 5, {"b"}), (100, 1, {"a", "b", "c"}), (10, 11, set()), (4, 4, {"a"})],
)
def test_freshness_is_a_quorum_of_those_in_time(newest_s: int, oldest_s: int, names: set[str]):
    assert fresh({"a": 4, "b": 5, "c": 10}, newest_s, oldest_s) == names


@pytest.mark.parametrize("time_s", [0, LAST_TIME_S + 1, 2**63, 2**64 - 1])
def test_a_cosignature_of_no_time_counts_for_no_policy(time_s: int):
    note = note_by("X1")
    bad = note.with_signatures([cosign(note, KEYS["X2"], SECRETS["X2"].sign, time_s)])
    with pytest.raises(NoteError, match="no time"):
        parse_policy(TWO_LEVELS.encode()).cosigned(bad)
    with pytest.raises(NoteError, match="no time"):
        bad.verified_by(KEYS["X2"])
    for good in (1, LAST_TIME_S):
        assert cosigned_at(note_at(good).verified_by(KEYS["X2"])) == good


def note_at(time_s: int) -> Note:
    note = note_by()
    return note.with_signatures([cosign(note, KEYS["X2"], SECRETS["X2"].sign, time_s)])


def test_a_single_witness_and_none():
    assert parse_policy(f"{WITNESSES}quorum X1\n".encode()).met_by({"X1"})
    assert not parse_policy(f"{WITNESSES}quorum X1\n".encode()).met_by({"X2"})
    assert parse_policy(b"quorum none\n").met_by(set())
    assert parse_policy(f"witness a {KEYS['X1']} https://w.example/\nquorum a\n".encode()).urls == {
        "a": "https://w.example/"
    }


def test_a_cosignature_that_does_not_verify_is_an_error():
    note = note_by("X1")
    bad = replace(note, signatures=(note.signatures[0], replace(note.signatures[1], data=bytes(72))))
    with pytest.raises(NoteError, match="does not verify"):
        parse_policy(TWO_LEVELS.encode()).cosigned(bad)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no quorum"),
        ("quorum none", "no end"),
        ("quorum none\nquorum none\n", "line 2: a second quorum"),
        ("quorum X1\n" + WITNESSES, "line 1: X1 is not defined"),
        (f"{WITNESSES}group g all X1 later\nquorum g\n", "later is not defined"),
        (f"{WITNESSES}group g 3 X1 X2\nquorum g\n", "cannot be"),
        (f"{WITNESSES}group g 0 X1\nquorum g\n", "cannot be"),
        (f"{WITNESSES}group g 01 X1\nquorum g\n", "cannot be"),
        (f"{WITNESSES}group g some X1\nquorum g\n", "cannot be"),
        (f"{WITNESSES}group g any X1 X1\nquorum g\n", "member already"),
        (f"{WITNESSES}group g any X1\ngroup h any X1\nquorum g\n", "member already"),
        (f"{WITNESSES}group g any none\nquorum g\n", "none is not defined"),
        (f"{WITNESSES}group X1 any X2\nquorum X1\n", "taken"),
        (f"{WITNESSES}group none any X2\nquorum none\n", "taken"),
        (f"witness a {KEYS['X1']}\nwitness b {KEYS['X1']}\nquorum a\n", "line 2: this key"),
        (f"log {KEY}\nlog {KEY}\nquorum none\n", "line 2: this key"),
        (f"witness a {KEY}\nquorum a\n", "wrong type"),
        (f"log {KEYS['X1']}\nquorum none\n", "wrong type"),
        ("log nonsense\nquorum none\n", "line 1"),
        ("colour blue\nquorum none\n", "none of log"),
        ("quorum none\r\n", "control"),
    ],
)
def test_a_policy_out_of_form_is_refused_with_its_line(text: str, why: str):
    with pytest.raises(PolicyError, match=why):
        parse_policy(text.encode())


@given(st.binary(max_size=200))
def test_nothing_else_than_a_policy_error_comes_out(data: bytes):
    for text in (data, TWO_LEVELS.encode() + data, b"witness " + data + b"\n", b"log \xff\n" + data):
        try:
            parse_policy(text)
        except PolicyError:
            continue


@pytest.mark.parametrize(("names", "status"), [("X1 X3 Y2", 0), ("X1 Y2", 1)])
def test_the_verifier_asks_for_the_quorum(tmp_path: Path, capsys: pytest.CaptureFixture[str], names: str, status: int):
    log = SiteLog()
    log.add_key()
    note = parse_note(log.checkpoint)
    cosignatures = [cosign(note, KEYS[name], SECRETS[name].sign, 1_790_000_000) for name in names.split()]
    bundle = replace(log.bundle(claim=BundleClaim()), checkpoint=note.with_signatures(cosignatures).encode())
    (tmp_path / "file").write_bytes(encode_bundle(bundle))
    (tmp_path / "policy").write_text(TWO_LEVELS)
    words = ["verify", str(tmp_path / "file"), "--key", str(KEY)]
    assert cli.main(words) == 0
    assert cli.main([*words, "--policy", str(tmp_path / "policy")]) == status
    output = capsys.readouterr().out
    witnessed = [f"{name} witnessed at 2026-09-21T14:13:20Z" for name in names.split()]
    assert f"co-signed by {len(witnessed)}: {', '.join(witnessed)}" in output
    assert ("not enough for the quorum X-and-Y" in output) is bool(status)
    (tmp_path / "policy").write_text("nonsense")
    assert cli.main([*words, "--policy", str(tmp_path / "policy")]) == 2


def test_groups_in_groups_without_end_are_judged():
    """The policy in a file is a stranger's: 2,000 groups, each in the next, ended the verifier."""
    nested = "".join(f"group g{number + 1} any g{number}\n" for number in range(2000))
    policy = parse_policy(f"{WITNESSES}group g0 any X1\n{nested}quorum g2000\n".encode())
    assert policy.met_by({"X1"}) and not policy.met_by({"X2"})
