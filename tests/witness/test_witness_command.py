"""`wayside witness` as a process: from a file, from flags, and what it says of settings that cannot be."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from evidence.site_log import KEY, THIEF
from wayside.cli import main
from wayside.evidence.note import COSIGNATURE, NoteKey, parse_key
from wayside.trust.keys import SoftwareKey
from wayside.witness.client import WitnessClient
from witness.setting import GrowingLog

FILE = f"""
name = "w.example/1"
state = "memory"
port = 0
logs = [
  "{NoteKey("other.example/log/0", KEY.kind, THIEF.public)}",
  "{KEY}",
]
"""


@contextmanager
def running(*words: str, folder: Path) -> Iterator[WitnessClient]:
    """A client of the witness that `wayside witness` of these words runs."""
    command = [sys.executable, "-m", "wayside", "witness", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            key = parse_key(process.stdout.readline().split()[1])
            url = process.stdout.readline().split()[1]
            yield WitnessClient(url.removesuffix("/add-checkpoint"), key)
        finally:
            process.terminate()


def test_a_witness_from_a_file_cosigns_every_epoch_of_the_sites_in_it(tmp_path: Path):
    (tmp_path / "witness.toml").write_text(FILE)
    with running("--config", "witness.toml", folder=tmp_path) as client:
        log = GrowingLog().grow(3)
        client.cosign(log)
        for _ in range(2):
            log = log.next()
            client.cosign(log)
    assert (tmp_path / "memory" / "witness.key").stat().st_mode & 0o77 == 0
    with running("--config", "witness.toml", folder=tmp_path) as again:
        assert again.key == client.key, "the key is kept"


def test_a_witness_makes_no_other_key_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("memory", "--name", "w", "--log", str(KEY), "--port", "0")
    with running(*words, folder=tmp_path) as client:
        client.cosign(GrowingLog().grow(1))
    (tmp_path / "memory" / "witness.key").unlink()
    assert main(["witness", str(tmp_path / "memory"), *words[1:]]) == 2
    assert "witness.key is missing" in capsys.readouterr().err and not (tmp_path / "memory" / "witness.key").exists()


def test_a_witness_from_flags(tmp_path: Path):
    with running("memory", "--name", "w", "--log", str(KEY), "--port", "0", folder=tmp_path) as client:
        client.cosign(GrowingLog().grow(3))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("port = 0", 'port = "x"', r"witness.toml:4: port: 'x' must be a whole number"),
        ("port = 0", "prot = 1", r'witness.toml:4: prot: unknown key "prot"; did you mean "port"?'),
        ('name = "w.example/1"', "", "name: is missing; add it"),
        ("w.example/1", "a b", "witness.toml:2: name: "),
        (str(KEY), "x", r"logs[2]: a verifier key is NAME+KEYID+BASE64"),
        (str(KEY), str(NoteKey("w", COSIGNATURE, SoftwareKey(b"w" * 32).public)), "this is the key of a witness"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    old: str, new: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "witness.toml").write_text(FILE.replace(old, new))
    assert main(["witness", "--config", str(tmp_path / "witness.toml")]) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "memory").exists(), "nothing begins with settings that are wrong"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["folder"], "--name, --log missing"),
        ([], "FOLDER, --name, --log missing"),
        (["--config", "x.toml", "--port", "1"], "--config FILE stands alone"),
        (["--config", "x.toml"], "x.toml: cannot be read"),
        (["folder", "--name", "w", "--log", "x"], "logs: .*NAME.KEYID.BASE64"),
        (["folder", "--name", "w", "--log", str(KEY), "--port", "99999"], "port: .*65535"),
    ],
)
def test_flags_that_cannot_be_used_are_explained(
    words: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert main(["witness", *words]) == 2
    assert re.search(problem, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
