"""A kind of sink is one file: its name, what its URL looks like, and what it makes."""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from site_daemon import running
from waiting import free_port, until
from wayside.daemon.status import snapshot
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.north import sinks
from wayside.site import config

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "text_file.py"
SITE = """
[site]
name = "test.example"
state = "state"
[[sink]]
name = "notes"
kind = "text-file"
url = "{url}"
"""
BUS = """
[[bus]]
name = "cabinet"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "meter-1"
unit = 1
profile = "eastron-sdm630"
poll_ms = 50
report_ms = 50
channels = ["voltage_l1"]
"""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kinds").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "kinds")
    monkeypatch.setattr(sinks, "__path__", [*sinks.__path__, str(tmp_path / "kinds")])


def wrong(folder: Path, text: str) -> str:
    path = folder / "site.toml"
    path.write_text(text)
    with pytest.raises(config.SiteFileError) as error:
        config.load(path)
    return str(error.value)


@pytest.mark.usefixtures("example")
def test_a_sink_is_one_more_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "reports.txt"

    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            options = "options = {is_synced = false}\n"
            text = SITE.format(url=f"file://localhost{file}") + options + BUS.format(port=port)
            async with running(tmp_path, text) as daemon:
                await until(lambda: file.exists() and file.read_text().count("\n") > 3, "lines")
                told = snapshot(daemon.parts)
                assert told["sinks"]["notes"]["connected"] and told["backlogs"]["notes"]["lag"] == 0

    asyncio.run(scenario())
    reports = [json.loads(line) for line in file.read_text().splitlines()]
    assert {each["device"] for each in reports} == {"meter-1"}


@pytest.mark.usefixtures("example")
def test_what_is_wrong_with_it_is_said_by_the_file(tmp_path: Path) -> None:
    text = SITE.format(url="file://host/x")
    assert ':8: sink[1].url: write "file://localhost/PATH": a file of this machine' in wrong(tmp_path, text)
    text = SITE.format(url="mqtt://host")
    said = ':8: sink[1].url: a sink of kind text-file needs one such as "file://localhost/PATH"'
    assert said in wrong(tmp_path, text)
    text = SITE.format(url="file://localhost/x") + "options = {is_synced = 1}\n"
    assert ":9: sink[1].options.is_synced: the value must be true or false" in wrong(tmp_path, text)
    text = SITE.format(url="x").replace("text-file", "text-files")
    assert ':7: sink[1].kind: unknown kind "text-files"; did you mean "text-file"?' in wrong(tmp_path, text)


def test_every_kind_that_comes_with_wayside_has_an_example_that_fits_it() -> None:
    assert sinks.FILES.names() == ["mqtt", "mqtt-homeassistant", "mqtt-json", "webhook"]
    for name in sinks.FILES.names():
        kind = sinks.load(name)
        url = kind.example.replace("PORT", "1883")
        assert kind.check(url) == url and url.partition(":")[0] in kind.schemes


BROKEN = {
    "no Python": ("class Kind(:\n", r"broken\.py, line 1: SyntaxError: "),
    "an import that is not there": ("import nothing_of_this_name\n", r"broken\.py, line 1: ModuleNotFoundError: "),
    "it ends the program": ("import sys\nsys.exit(3)\n", r"broken\.py, line 2: SystemExit: 3; correct this file"),
    "no Kind": ("KIND = 1\n", r"broken\.py: make its Kind a wayside\.north\.sinks\.SinkKind"),
    "a Kind that cannot be made": ("BASE\n    def __init__(self, x): ...\n", r"broken\.py: TypeError: "),
    "Options no Table": ("BASE\n    make = print\n    Options = dict\n", "make its Options a wayside.settings.table."),
    "no make()": ("BASE\n    pass\n", r"write the function make\(\) in its Kind"),
    "a check that fails": (
        "BASE\n    make = print\n    def check(self, url):\n        return url.lowercase\n",
        r"broken\.py, line 5: AttributeError: ",
    ),
}


def broken(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """A site file with a sink of a kind whose file has this text."""
    (folder / "kinds").mkdir()
    base = "from wayside.north.sinks import SinkKind\nclass Kind(SinkKind):"
    (folder / "kinds" / "broken.py").write_text(text.replace("BASE", base))
    monkeypatch.setattr(sinks, "__path__", [*sinks.__path__, str(folder / "kinds")])
    monkeypatch.delitem(sys.modules, "wayside.north.sinks.broken", raising=False)
    return SITE.format(url="mqtt://127.0.0.1").replace("text-file", "broken")


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_no_kind_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    text, said = BROKEN[what]
    [line] = wrong(tmp_path, broken(tmp_path, monkeypatch, text)).splitlines()
    assert re.search(r"site\.toml:\d: sink\[1\]\.(kind|url): .*" + said, line), line


def test_a_sink_that_cannot_be_made_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = "BASE\n    def make(self, far_side, log):\n        raise ValueError('too far')\n"
    text = broken(tmp_path, monkeypatch, make)

    async def scenario() -> None:
        port = free_port()
        answering = serve_tcp(answer_for({1: Sdm630(1)}), port)
        async with answering, running(tmp_path, text + BUS.format(port=port)) as daemon:
            await until(lambda: daemon.intake.counters["packs"] > 0, "packs of the neighbour")
            await until(lambda: daemon.parts.failing, "that it is told")
            [(task, why)] = snapshot(daemon.parts)["failing"].items()
            assert task == "making of sink notes"
            assert re.search(r"broken\.py, line 4: ValueError: too far; correct this file", why)

    asyncio.run(scenario())


SENDS = """BASE
    def make(self, far_side, log):
        return Sink()


class Sink:
    @asynccontextmanager
    async def connect(self):
        yield asyncio.Event().wait

    async def send(self, batch):
        raise KeyError('power')
"""


def test_why_a_sink_fails_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = "import asyncio\nfrom contextlib import asynccontextmanager\n"
    text = broken(tmp_path, monkeypatch, head + SENDS)

    async def scenario() -> None:
        async with running(tmp_path, text) as daemon:
            told = lambda: snapshot(daemon.parts)  # noqa: E731
            await until(lambda: told()["sinks"]["notes"]["last_error"] == "KeyError: 'power'", "the reason")
            assert any("behind: KeyError: 'power'" in each["text"] for each in told()["problems"])

    asyncio.run(scenario())
