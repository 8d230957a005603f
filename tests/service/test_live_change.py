"""A changed site file in the running gateway: what it does not touch goes on without a gap."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_daemon import entries, packs, running
from waiting import PATIENCE_S, free_port, until
from wayside.daemon.daemon import Daemon
from wayside.daemon.parts import PartPlan, Running
from wayside.evidence.kinds import EntryKind
from wayside.evidence.stream import device_stream
from wayside.lab.embedded import embedded_broker
from wayside.lab.plant import Sdm630, answer_for, serve_tcp
from wayside.north.forward import Forwarder
from wayside.parts.part import Part
from wayside.runtime.supervise import Supervisor
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.site.config import SiteFile
from wayside.south.modbus import ModbusBus
from wayside.south.nodes import NodeLink
from wayside.trust.registry import RegistryError

SITE = '[site]\nname = "test.example"\n'
BUS = """
[[bus]]
name = "{bus}"
endpoint = "tcp://127.0.0.1:{port}"
[[bus.device]]
name = "{device}"
unit = 1
profile = "eastron-sdm630"
poll_ms = {poll_ms}
report_ms = {poll_ms}
channels = ["voltage_l1"]
"""
SINK = '[[sink]]\nname = "city"\nkind = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\n'
NODE = '[[node]]\nname = "node-1"\nport = "/dev/null/1"\npublic_key = "{key}"\ndevices = ["board-1"]\n'


def bus(name: str, device: str, port: int, poll_ms: int = 200) -> str:
    return BUS.format(bus=name, device=device, port=port, poll_ms=poll_ms)


async def apply(daemon: Daemon, folder: Path, text: str) -> list[str]:
    path = folder / "site.toml"
    path.write_text(text)
    return await daemon.apply(config.load(path), path.read_bytes())


def test_a_bus_that_is_not_touched_keeps_its_cadence_while_another_and_a_sink_change(tmp_path: Path):
    async def scenario() -> None:
        meters = [answer_for({1: Sdm630(1)}) for _ in range(2)]
        async with serve_tcp(meters[0]) as kept, serve_tcp(meters[1]) as changed, embedded_broker() as broker:
            same = SITE + bus("kept", "meter-1", kept)
            before = same + bus("changed", "meter-2", changed) + SINK.format(port=1)
            after = same + bus("changed", "meter-3", changed, 50) + SINK.format(port=broker.port)
            async with running(tmp_path, before) as daemon:
                steady = daemon.parts.of(ModbusBus)[0]
                statistics = steady.devices["meter-1"].statistics
                await until(lambda: statistics.good_polls > 2)
                polls, due = statistics.polls, steady.devices["meter-1"].due
                started = await apply(daemon, tmp_path, after)
                assert started == ["bus changed", "watch over bus changed", "sink city", "backlog city"]
                assert daemon.parts.of(ModbusBus)[0] is steady and steady.connects == 1
                await until(lambda: statistics.polls > polls + 3 and daemon.parts.of(Forwarder)[0].status.connected)
                await until(lambda: daemon.image.snapshot.keys() == {"meter-1", "meter-3"})
                await until(lambda: not daemon.parts.of(Forwarder)[0].lag(daemon.committer.size - 1))
                shift = (steady.devices["meter-1"].due - due) / 0.2
                assert abs(shift - round(shift)) < 1e-6, "the polls of the other bus stand on the grid that they had"
                assert not daemon.parts.restarts

    asyncio.run(scenario())
    steady = packs(tmp_path, "meter-1")
    assert [pack.sequence for pack in steady] == list(range(len(steady))) and len({pack.boot for pack in steady}) == 1
    assert all(reading.quality == 0 for pack in steady for reading in pack.readings)
    told = [(entry.kind, entry.stream) for entry in entries(tmp_path)]
    last_of_leaver = max(place for place, each in enumerate(told) if each == (EntryKind.PACK, device_stream("meter-2")))
    said = [place for place, (kind, _) in enumerate(told) if kind == EntryKind.CONFIGURATION]
    first_of_newcomer = told.index((EntryKind.PACK, device_stream("meter-3")))
    assert len(said) == 2 and last_of_leaver < said[1] < first_of_newcomer


def test_the_same_file_and_another_order_of_words_start_nothing(tmp_path: Path):
    async def scenario() -> None:
        async with running(tmp_path, SITE + SINK.format(port=1)) as daemon:
            assert await apply(daemon, tmp_path, SITE + SINK.format(port=1)) == []
            text = '[[sink]]\nkind = "mqtt"\nname = "city"\nurl = "mqtt://127.0.0.1:1"\n'
            assert await apply(daemon, tmp_path, SITE + "# why\n" + text) == []

    asyncio.run(scenario())
    assert [entry.kind for entry in entries(tmp_path)].count(EntryKind.CONFIGURATION) == 2


def keep(folder: Path, password: str) -> None:
    content = secret_files.password_lines("mqtt://127.0.0.1:1", password)
    secret_files.write(folder / "site.toml", Role.PASSWORD, "password", content.encode())


def test_a_renewed_password_file_changes_its_sink_alone(tmp_path: Path):
    text = SITE + SINK.format(port=1) + 'username = "u"\npassword_file = "password"\n'
    text += SINK.format(port=1).replace("city", "other")
    keep(tmp_path, "old")

    async def scenario() -> None:
        async with running(tmp_path, text) as daemon:
            keep(tmp_path, "new")
            assert await apply(daemon, tmp_path, text) == ["sink city", "backlog city"]

    asyncio.run(scenario())


def test_a_changed_junction_file_is_taken_up_and_the_status_site_goes_on(tmp_path: Path):
    pytest.importorskip("aiohttp")
    text = SITE + f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'
    text += '[[journal]]\nname = "junction-7"\nfolder = "junction"\njunction_file = "junction.toml"\n'
    (tmp_path / "junction.toml").write_text("old")

    async def scenario() -> None:
        async with running(tmp_path, text) as daemon:
            assert await apply(daemon, tmp_path, text) == []
            (tmp_path / "junction.toml").write_text("new")
            assert sorted(await apply(daemon, tmp_path, text)) == ["journal junction-7", "junction junction-7"]

    asyncio.run(scenario())


def test_what_cannot_be_made_leaves_everything_as_it_was(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            old = SITE + bus("cabinet", "meter-1", port, 50)
            async with running(tmp_path, old) as daemon:
                for wrong in (
                    SITE + bus("cabinet", "meter-2", port) + SINK.format(port=1) + 'password_file = "not-there"\n',
                    bus("cabinet", "meter-2", port) + '[site]\nname = "another.example"\n',
                ):
                    with pytest.raises((OSError, config.SiteFileError)):
                        await apply(daemon, tmp_path, wrong)
                    polls = daemon.parts.of(ModbusBus)[0].devices["meter-1"].statistics.polls
                    await until(
                        lambda polls=polls: daemon.parts.of(ModbusBus)[0].devices["meter-1"].statistics.polls > polls
                    )
                    assert not daemon.parts.of(Forwarder)

    asyncio.run(scenario())
    assert [entry.kind for entry in entries(tmp_path)].count(EntryKind.CONFIGURATION) == 1


def test_another_key_for_a_node_is_not_a_change_of_configuration(tmp_path: Path):
    key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"  # RFC 8032 section 7.1, tests 1 and 2
    another = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

    async def scenario() -> None:
        async with running(tmp_path, SITE) as daemon:
            assert await apply(daemon, tmp_path, SITE + NODE.format(key=key)) == ["node node-1"]
            with pytest.raises(RegistryError, match="wayside keys replace"):
                await apply(daemon, tmp_path, SITE + NODE.format(key=another))
            assert await apply(daemon, tmp_path, SITE) == []
            assert not daemon.parts.of(NodeLink)

    asyncio.run(scenario())


def test_sighup_takes_the_file_up(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    words = [sys.executable, "-m", "wayside", "run", str(path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ) as gateway:
        try:
            assert gateway.stderr

            def wait_for(text: str) -> None:
                assert gateway.stderr
                assert any(text in line for line in gateway.stderr), f"it ended without saying {text}"

            while not (tmp_path / "state" / "manage.sock").exists():
                assert gateway.poll() is None
            path.write_text(SITE + SINK.format(port=1))
            gateway.send_signal(signal.SIGHUP)
            wait_for("sink city, backlog city")
            path.write_text("[site]\n")
            gateway.send_signal(signal.SIGHUP)
            wait_for("the gateway goes on as before")
            gateway.send_signal(signal.SIGTERM)
            gateway.stderr.read()
            assert gateway.wait(PATIENCE_S) == 0
        finally:
            gateway.kill()


def test_the_table_replaces_what_differs_and_closes_it_once_its_tasks_have_ended():
    happened: list[str] = []

    def plan(name: str, settings: object) -> PartPlan:
        async def work() -> None:
            happened.append(f"{name} runs")
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                happened.append(f"{name} ends")

        return PartPlan(lambda: Part({name: work}, (name,), close=lambda: happened.append(f"{name} closed")), settings)

    async def scenario() -> None:
        table = Running(Supervisor())
        table.make({"a": plan("a", 1), "b": plan("b", 1)})
        table.start()
        await asyncio.sleep(0)
        assert happened == ["a runs", "b runs"]
        new = {"a": plan("a", 1), "b": plan("b", 2), "c": plan("c", 1)}
        assert table.differing(new) == ["b"]
        await table.stop(table.differing(new))
        assert happened[2:] == ["b ends", "b closed"] and table.of(str) == ["a"]
        assert table.make(new) == ["b", "c"] and table.of(str) == ["a", "b", "c"]
        table.start()
        await asyncio.sleep(0)
        assert happened[4:] == ["b runs", "c runs"]
        await table.stop_all(is_north=False)
        assert sorted(happened[6:]) == sorted(f"{name} {what}" for name in "abc" for what in ("ends", "closed"))

    asyncio.run(scenario())


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)), max_size=8))
def test_whatever_the_files_say_one_after_the_other_the_parts_are_those_of_the_last(files: list[dict[str, int]]):
    alive: set[tuple[str, int]] = set()

    def plan(name: str, settings: int) -> PartPlan:
        async def work() -> None:
            alive.add((name, settings))
            try:
                await asyncio.Event().wait()
            finally:
                alive.remove((name, settings))

        return PartPlan(lambda: Part({name: work}, ([name, settings],)), settings, is_north=name == "a")

    async def scenario() -> None:
        table = Running(Supervisor())
        for file in files:
            before = {thing[0]: thing for thing in table.of(list)}
            plans = {name: plan(name, settings) for name, settings in file.items()}
            await table.stop(table.differing(plans))
            table.make(plans)
            table.start()
            await asyncio.sleep(0)
            assert alive == set(file.items())
            assert [tuple(thing) for thing in table.of(list)] == list(file.items()), "in the order of the file"
            for name, settings in file.items():
                if before.get(name, [name, None])[1] == settings:
                    assert any(thing is before[name] for thing in table.of(list)), "untouched"
        for is_north in (False, True):
            await table.stop_all(is_north=is_north)
            assert all((name == "a") > is_north for name, _ in alive)
        assert not alive

    asyncio.run(scenario())


def test_every_table_of_the_site_file_is_a_part_of_a_kind_of_its_own():
    """A new table must not be forgotten by the plans: then it would change only with a restart."""
    planned = {"adapter", "bus", "node", "radio", "ble", "sink", "journal", "witness", "retention", "web", "remote"}
    planned |= {"actuator", "controller"}
    assert set(SiteFile.model_fields) == planned | {"site", "log", "limits"}


def test_what_gives_way_in_an_overload_changes_without_any_part(tmp_path: Path):
    async def scenario() -> None:
        async with serve_tcp(answer_for({1: Sdm630(1)})) as port:
            text = SITE + bus("kept", "meter-1", port)
            async with running(tmp_path, text) as daemon:
                await until(lambda: daemon.committer.size > 2)
                assert await apply(daemon, tmp_path, text + '[limits.overload]\nmeter-1 = "discard-newest"\n') == []
                assert daemon.intake.policies == {"meter-1": "discard-newest"}

    asyncio.run(scenario())
