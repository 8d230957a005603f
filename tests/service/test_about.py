"""What parts say about themselves is in every view of the gateway, whatever kind of part it is."""

import asyncio
import json
import re
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from service.everything import everything
from waiting import free_port, until
from wayside.cli import main
from wayside.daemon.daemon import Daemon
from wayside.daemon.gateway_about import DiskAbout
from wayside.daemon.parts import PartPlan, Plans
from wayside.daemon.status import picture, snapshot
from wayside.parts.about import BAD, WARNING, About, Family, Problem, Sheet
from wayside.parts.part import Part
from wayside.parts.picture import draw
from wayside.runtime.clock import SystemClock
from wayside.runtime.pulse import Pulse
from wayside.site import config
from wayside.web.metrics import exposition
from web.browser import browser

PASSWORD = "mqtt://user:correct-horse@city.example"
COMPLAINT = "the barrier at the depot is open; close it, or call the depot"
SQUEAK = "the barrier at the depot squeaks; grease it"


class Barrier(About):
    """A part of a kind that nothing else knows: it counts, and complains."""

    def status(self) -> dict[str, Any]:
        return {"opened": 7, "line": PASSWORD}

    def problems(self) -> Iterable[Problem]:
        return [Problem(BAD, COMPLAINT), Problem(WARNING, SQUEAK)]

    def metrics(self) -> Iterable[Family]:
        return [Family("wayside_barrier_opened_total", "counter", "How often.", [({"barrier": self.name}, 7)])]


class Broken(About):
    """One that has a fault of its own."""

    def problems(self) -> Iterable[Problem]:
        raise KeyError("depot")

    def metrics(self) -> Iterable[Family]:
        raise KeyError("depot")


@asynccontextmanager
async def gateway(path: Path, more: Mapping[str, Part] = MappingProxyType({})) -> AsyncIterator[Daemon]:
    """A running gateway, with parts beside those of its site file."""

    class Extended(Daemon):
        def _plans(self, site: config.SiteFile) -> Plans:
            return {**super()._plans(site), **{name: PartPlan(partial(as_it_is, part)) for name, part in more.items()}}

    daemon = Extended(config.load(path), path, SystemClock())
    task = asyncio.create_task(daemon.run())
    try:
        await daemon.ready.wait()
        yield daemon
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_disk_is_asked_once_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: asked.append(folder) or usage(folder))
    told = draw([DiskAbout(tmp_path)], (), lambda who, why: None)
    families = {family.name: family.samples[0][1] for family in told.families()}
    assert asked == [tmp_path] and told.status["disk"]["free"] == families["wayside_disk_free_bytes"] > 0
    assert told.lines and told.tiles[0].value != "0 MB"


def as_it_is(part: Part) -> Part:
    return part


async def hang() -> None:
    await asyncio.Event().wait()


def test_a_part_of_a_new_kind_is_in_every_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("aiohttp")
    import aiohttp

    web = free_port()
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\nname = "test.example"\n[web]\nlisten = "127.0.0.1:{web}"\n')
    stuck = Pulse("the barrier's motor", lambda: 0, within_s=-1.0)
    barrier = Part({"the barrier's motor": hang}, (Barrier("barriers", "depot"), Broken("broken", "one")), (stuck,))
    is_stuck = "the barrier's motor is stuck: it has work and has not moved"
    words = (COMPLAINT, SQUEAK, is_stuck, "broken one cannot say how it is: KeyError: 'depot'")

    async def typed(*line: str) -> str:
        await asyncio.to_thread(main, [line[0], str(path), *line[1:]])
        said = capsys.readouterr()
        return said.out + said.err

    async def scenario() -> None:
        async with gateway(path, {"barrier": barrier}) as daemon, browser(tmp_path / "profile") as page:
            await until(lambda: snapshot(daemon.parts)["stuck"] == ["the barrier's motor"], "the watchdog's look")
            await until((tmp_path / "state" / "status.sock").exists, "the socket")
            for told in (await typed("status"), await typed("top", "--times", "1")):
                more = ("clock  ", "barriers depot: opened 7", "STUCK: it has work")
                assert all(each in told for each in (*words, *more)), told
                assert "correct-horse" not in told
            told = json.loads((await typed("status", "--json")).partition("wayside status:")[0])
            assert told["barriers"]["depot"]["opened"] == 7
            assert {"level": "bad", "text": COMPLAINT} in told["problems"]
            url = f"http://127.0.0.1:{web}/metrics"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                samples = (await answer.text()).splitlines()
            assert 'wayside_barrier_opened_total{barrier="depot"} 7' in samples
            assert 'wayside_task_stuck{task="the barrier\'s motor"} 1' in samples
            await typed("support-bundle", str(tmp_path / "bundle.tar.gz"))
            with tarfile.open(tmp_path / "bundle.tar.gz") as bundle:
                kept = json.load(bundle.extractfile("wayside-support/status.json"))  # type: ignore[arg-type]
            assert kept["barriers"]["depot"]["opened"] == 7 and COMPLAINT in str(kept["problems"])
            assert "correct-horse" not in str(kept)
            await page.open(f"http://127.0.0.1:{web}/")
            await page.until("document.getElementById('sheets').innerText.includes('barriers depot')")
            shown = await page.ask("document.body.innerText")
            assert all(each in shown for each in (*words, "opened 7", "Trouble")) and page.errors == [], shown

    asyncio.run(scenario())


def test_every_kind_tells_and_keeps_its_names(tmp_path: Path) -> None:
    """Sections and metrics are read by others' programs; whether anybody is reached or not."""
    path, _ = everything(tmp_path)

    async def scenario() -> None:
        async with gateway(path) as daemon:
            await until(lambda: all(each in str(picture(daemon.parts).problems) for each in WHO), "that all complain")
            said = picture(daemon.parts)
        told = said.status
        for section, name in SECTIONS.items():
            assert name in told[section], (section, told[section])
        assert told.keys() >= OTHERS
        families = said.families()
        text = exposition(families)
        sample = re.compile(r'[a-z0-9_]+(\{[a-z_0-9]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? -?[0-9.e+]+')
        assert all(line.startswith("# ") or sample.fullmatch(line) for line in text.splitlines()), text
        names = [family.name for family in families]
        assert len(names) == len(set(names))
        for family in families:
            assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert set(METRICS.split()) <= set(names), set(METRICS.split()) - set(names)
        asked = set(re.findall(r"wayside_[a-z0-9_]+", DASHBOARD.read_text()))
        own = {"wayside_info", "wayside_problems", "wayside_device_reading_age_seconds"}  # of the status site itself
        assert asked and asked <= set(names) | own, asked - set(names)

    asyncio.run(scenario())


SECTIONS = {
    "nodes": "node-1",
    "buses": "cabinet",
    "sinks": "city",
    "backlogs": "city",
    "journals": "junction-7",
    "witnesses": "witness.example.org",
    "radios": "roof",
    "bluetooth": "hci9",
    "environment": "shade",
    "adapters": "boiler",
    "actuators": "charger-1 current_limit",
    "controllers": "by-power",
}
WHO = (
    *("bus cabinet", "node node-1", "journal junction-7", "sink city", "adapter hci9", "shade has no", "boiler has no"),
    "controller by-power",
)
OTHERS = {"log", "intake", "no_value", "remote", "certificates", "clock", "restarts", "failing", "disk"}
DASHBOARD = Path(__file__).resolve().parents[2] / "gateway" / "grafana" / "wayside.json"
METRICS = """
wayside_air_node_events_total wayside_air_node_unsigned_reports wayside_adapter_events_total
wayside_bluetooth_events_total wayside_bluetooth_strangers_total wayside_environment_events_total
wayside_bus_connects_total wayside_certificate_not_after_timestamp_seconds wayside_clock_synchronized
wayside_controller_asks wayside_controller_cycles_total wayside_controller_unknown_inputs
wayside_device_answer_p99_seconds wayside_device_failures_total wayside_device_good_polls_total
wayside_device_last_good_timestamp_seconds wayside_device_polls_total wayside_device_requests_total
wayside_device_skipped_polls_total wayside_device_unreachable wayside_disk_free_bytes wayside_disk_size_bytes
wayside_intake_total wayside_journal_entries_total wayside_log_checkpoint_age_seconds
wayside_log_commit_failures_total wayside_log_commits_total wayside_log_entries_total wayside_node_events_total
wayside_radio_airtime_used_ratio wayside_radio_events_total wayside_remote_connected wayside_remote_requests_total
wayside_sink_backlog_lag wayside_sink_connected wayside_sink_dead_letters_total wayside_sink_delivered_total
wayside_sink_failures_total wayside_sink_lag wayside_sink_unproven_total wayside_task_restarts_total
wayside_task_stuck wayside_witness_cosigned_entries wayside_witness_cosigned_timestamp_seconds
wayside_witness_unshown_claims_total
"""


def test_problems_stand_worst_first_and_empty_sections_stay() -> None:
    class Says(About):
        def problems(self) -> Iterable[Problem]:
            return [Problem(WARNING, f"{self.name} is slow"), Problem(BAD, f"{self.name} is down")]

    said = draw([Says("things", "a"), Says("things", "b")], ["sinks"], print)
    assert [each.text for each in said.problems] == ["a is down", "b is down", "a is slow", "b is slow"]
    assert said.told().keys() == {"sinks", "things", "problems", "lines"} and said.status["sinks"] == {}


@pytest.mark.parametrize(
    "more",
    [
        {"status": lambda self: {"x": {1, 2}}},
        {"status": lambda self: {"x": float("nan")}},
        {"lines": lambda self: [None]},
        {"sheets": lambda self: [Sheet("T", ("h",), [(float("inf"),)])]},
        {"tiles": lambda self: [("one",)]},
        {"connected": lambda self: {}["x"]},
        {"metrics": lambda self: [Family("x_total", "counter", "X.", [({}, "7")])]},
    ],
)
def test_what_nobody_could_read_costs_only_who_says_it(more: dict[str, Any]) -> None:
    odd = type("Odd", (About,), more)
    complaints: list[str] = []
    abouts = [odd("odd", "one"), Barrier("barriers", "depot")]
    said = draw(abouts, [], lambda who, why: complaints.append(f"{who} {why}"))
    assert json.loads(json.dumps(said.told(), allow_nan=False))["barriers"]["depot"]["opened"] == 7
    assert [family.name for family in said.families()] == ["wayside_barrier_opened_total"]
    assert complaints and complaints[0].startswith("odd one ")


def test_a_switch_is_a_number_among_the_metrics() -> None:
    class Switch(About):
        def metrics(self) -> Iterable[Family]:
            return [Family("x", "gauge", "X.", [({}, True)])]

    assert exposition(draw([Switch("s")], [], print).families()).endswith("x 1\n")


def test_tables_tiles_and_metrics_of_several_parts_are_put_together() -> None:
    class Far(Barrier):
        def connected(self) -> bool:
            return self.name == "a"

    said = draw([Far("barriers", "a"), Far("barriers", "b")], [], print)
    [family] = said.families()
    assert [labels["barrier"] for labels, _ in family.samples] == ["a", "b"]
    [sheet] = said.sheets
    assert len(sheet.rows) == 2
    assert said.tiles == [("1 away", "of 2 barriers", BAD)]
