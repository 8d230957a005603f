"""Every command, typed wrongly: a sentence that says what to do, status 1 or 2, and never a traceback."""

import argparse
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from waiting import PATIENCE_S, free_port, wait_until
from wayside import cli
from wayside.cli import signals

NOTHING_NEEDED = {("demo",), ("config", "schema"), ("signals", "keys"), ("profile", "list"), ("lora", "plan")}
"""Commands that do something sensible without an argument."""

VALUES = {
    "--baud": "9600", "--broker": "mqtt://127.0.0.1:1", "--device": "meter-1", "--gateway": "11" * 32, "--key": "k",
    "--name": "w", "--port": "/dev/no-such-port", "--reason": "r", "--root": "{}", "--signer": "s", "--state": "{}",
}  # fmt: skip


Leaf = tuple[tuple[str, ...], argparse.ArgumentParser]


def leaves() -> Iterator[Leaf]:
    """Every command and verb, with its parser."""

    def walk(words: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[Leaf]:
        verbs = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        if not verbs:
            yield words, parser
        for name, verb in verbs[0].choices.items() if verbs else ():
            yield from walk((*words, name), verb)

    yield from walk((), cli.parser())


LEAVES = list(leaves())


def typed(words: tuple[str, ...], parser: argparse.ArgumentParser, path: str) -> list[str]:
    """The command line in which each file and each port is `path`."""
    line = list(words)
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._HelpAction):
            value = str(next(iter(action.choices))) if action.choices else path
            line += [value] if action.nargs != "?" or words[0] == "witness" else []
        elif action.required:
            value = path if action.type is Path else VALUES.get(action.option_strings[0], "1").format(path)
            line += [action.option_strings[0], value]
    return line


def says(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """(exit status, what was said); an exception other than the end fails the test that called."""
    try:
        status = cli.main(line)
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    return status, said.out + said.err


def check(line: list[str], status: int, said: str) -> None:
    assert status in (1, 2), (line, status, said)
    assert said.strip() and "Traceback" not in said, line
    assert not re.search(r"Errno|Error\(|Exception|object at 0x|<class", said), (line, said)


def is_meant(words: tuple[str, ...], parser: argparse.ArgumentParser, wrong: str) -> bool:
    """Whether this file or port is nothing that the command can work with."""
    if words in NOTHING_NEEDED or not any(not each.option_strings or each.required for each in parser._actions):
        return False
    if words in {("keys", "make"), ("witness",)}:
        return wrong in ("empty", "random")  # what is not there yet is what they make
    if words == ("config", "history"):
        return wrong not in ("empty", "random")  # it shows how to go back to what was there before
    # The state of a controller that has not run yet is an empty folder.
    return words != ("signals", "reset") or wrong != "folder"


WRONG = [
    pytest.param(words, parser, wrong, id=f"{' '.join(words)}-{wrong}")
    for words, parser in LEAVES
    for wrong in ("missing", "folder", "empty", "random", "port")
    if is_meant(words, parser, wrong)
]


@pytest.mark.parametrize(("words", "parser", "wrong"), WRONG)
def test_a_file_that_is_none(
    words: tuple[str, ...],
    parser: argparse.ArgumentParser,
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "passphrase")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "random").write_bytes(bytes(range(256)) * 20)
    path = "/dev/no-such-port" if wrong == "port" else str(tmp_path / wrong)
    # Importing the verb of the same name puts that module in the function's place; a process types one command.
    monkeypatch.setattr(signals, "run", signals.run)
    line = typed(words, parser, path)
    check(line, *says(line, capsys))


@pytest.mark.parametrize(("words", "parser"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_an_option_that_is_none(
    words: tuple[str, ...], parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = typed(words, parser, str(tmp_path / "missing"))
    status, said = says([*line, "--nonsense"], capsys)
    check(line, status, said)
    assert status == 2 and 'unknown option "--nonsense"' in said and f"usage: wayside {' '.join(words)}" in said
    for option in parser._option_string_actions:
        if len(option) > 5:
            spoilt = option[:-2] + option[-1] + option[-2]
            if not spoilt.startswith(option[:-1]) and spoilt not in parser._option_string_actions:
                assert 'did you mean "--' in says([*line, spoilt], capsys)[1]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["chek"], 'unknown command "chek"; did you mean "check"?'),
        (["keys", "lits"], 'unknown verb "lits"; did you mean "list"?'),
        (["config", "aply"], 'did you mean "apply"?'),
        ([], "COMMAND"),
        (["keys"], "VERB"),
        (["check"], "SITE"),
        (["check", "a", "b"], "one argument too many"),
        (["profile", "lnt"], 'did you mean "lint"?'),
        (["keys", "rotate", "site", "lg"], 'did you mean "log"?'),
    ],
)
def test_a_word_that_is_none(line: list[str], text: str, capsys: pytest.CaptureFixture[str]):
    status, said = says(line, capsys)
    assert status == 2 and text in said, said


@pytest.mark.parametrize(("words", "parser"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_numbers_that_are_none(
    words: tuple[str, ...], parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Whatever takes a number takes neither nonsense nor one without a meaning."""
    line = typed(words, parser, str(tmp_path / "missing"))
    for action in parser._actions:
        if action.option_strings and action.type not in (None, Path):
            for wrong in ("x", "nan", "1e400", "-99999999999999999999", "9" * 30, "\u00b2", ""):
                said = says([*line, f"{action.option_strings[-1]}={wrong}"], capsys)
                assert said[0] == 2, (words, action.option_strings, wrong, said)
                check(line, *said)


def test_options_before_between_and_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\n')
    for line in (["export", "--device", "m", str(site), "f"], ["export", str(site), "--device", "m", "f"]):
        status, said = says(line, capsys)
        assert status == 2 and "one argument too many" not in said and "required" not in said, said


def test_version(capsys: pytest.CaptureFixture[str]):
    assert re.fullmatch(r"wayside \S+\n", says(["--version"], capsys)[1])


def test_the_verifier_key_is_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\n')
    status, said = says(["keys", "show", str(site)], capsys)
    assert status == 1 and "its key are not here" in said and not (tmp_path / "state" / "log.key").exists()
    assert says(["keys", "request", str(site), str(tmp_path / "request")], capsys)[0] == 0
    status, before = says(["keys", "show", str(site)], capsys)
    assert status == 0 and re.fullmatch(r"test\.example/log/0\+[0-9a-f]{8}\+\S+\n", before)
    daemon = subprocess.Popen([sys.executable, "-m", "wayside", "run", str(site)], stderr=subprocess.PIPE, text=True)
    assert daemon.stderr
    wait_until((tmp_path / "state" / "status.sock").exists, "the gateway")
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(PATIENCE_S) == 0 and "Traceback" not in daemon.stderr.read()
    assert says(["keys", "show", str(site)], capsys) == (0, before)
    assert f"key    {before}" in says(["log", str(site)], capsys)[1]
    evidence = str(tmp_path / "evidence")
    assert says(["export", str(site), evidence], capsys)[0] == 0
    assert says(["verify", evidence, "--key", before.strip()], capsys)[0] == 0


def test_a_simulated_meter(capsys: pytest.CaptureFixture[str]):
    with closing(socket.create_server(("127.0.0.1", free_port()))) as taken:
        status, said = says(["demo", "meter", "--tcp", str(taken.getsockname()[1])], capsys)
    assert status == 2 and "address already in use" in said.lower() and "Errno" not in said
    assert says(["demo", "--tcp", "1"], capsys)[0] == 2
    words = [sys.executable, "-m", "wayside", "demo", "meter", "--tcp", "0", "--unit", "7"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as meter:
        assert meter.stdout and meter.stderr
        meter.stdout.readline()
        read = meter.stdout.readline().split()
        assert says([*read[1:], "frequency"], capsys)[0] == 0
        meter.send_signal(signal.SIGINT)
        assert meter.wait(PATIENCE_S) in (0, 130) and meter.stderr.read() == ""


def test_ctrl_d_instead_of_a_passphrase(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", end)
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\n')
    assert says(["keys", "request", str(site), str(tmp_path / "request")], capsys)[0] == 0
    status, said = says(["keys", "backup", str(site), str(tmp_path / "backup")], capsys)
    assert status == 2 and "nothing was typed" in said and not (tmp_path / "backup").exists()


def test_what_the_system_says_is_said_without_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\n')
    for command in (["status"], ["top", "--times", "1"]):
        status, said = says([*command, str(site)], capsys)
        assert status == 1 and "no gateway answers" in said and "start it: wayside run" in said
