"""A kind of sink is one file: its name, what its URL looks like, and what it makes."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from site_daemon import running
from waiting import until
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
