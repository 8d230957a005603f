"""The node application in the real VM, over two ptys: what a board would do."""

import asyncio
import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from bench_vm import ALARM, GO, ROOT, STOP, Bench, bench
from waiting import until
from wayside_wire import frame, link
from wayside_wire.pack import BAD, GOOD, HOLDOVER, SYNCED

YEAR_MS = 365 * 86_400_000
KILLS = 40


def test_registers_become_verified_readings(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            await node.start()
            await b.packs(5)
            await node.kill()
            b.gateway.check_chain()
            about = b.gateway.abouts[0]
            assert (about.boot, about.board) == (1, "UNIX")
            pack, _ = b.gateway.packs[b.gateway.order[-1]]
            assert pack.time_quality == SYNCED
            readings = {reading.channel: reading for reading in pack.readings}
            assert {"voltage_l1", "voltage_l1.mean", "power_active.max", "energy_active_import.diff"} <= set(readings)
            assert all(reading.quality == GOOD for reading in pack.readings)
            assert abs(readings["voltage_l1"].time_ms - b.gateway.clock()) < 60_000
            energy = readings["energy_active_import"]
            # The meter's counter starts at 1,234.567 kWh and turns slowly.
            assert 1_200 < energy.mantissa * 10**energy.exponent / 3_600_000 < 1_300
            assert 200 < readings["voltage_l1"].mantissa * 10 ** readings["voltage_l1"].exponent < 260

    asyncio.run(main())


def sent_boots(b: Bench) -> set[int]:
    """The starts of which the gateway has packs."""
    return {boot for boot, _ in b.gateway.order}


def test_killed_at_any_moment_nothing_acknowledged_is_lost(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            for number in range(KILLS):
                heard, boots = len(b.gateway.observed) + random.randint(1, 8), sent_boots(b)
                await node.start()
                # Any moment: of a start, of what is said first, of packs. A time alone says little.
                if number % 3 == 1:
                    await until(lambda heard=heard: len(b.gateway.observed) >= heard, "a few messages")
                elif number % 3 == 2:
                    await until(lambda boots=boots: sent_boots(b) > boots, "a pack of another start")
                await asyncio.sleep(random.uniform(0.02, 0.7 if number % 3 == 0 else 0.2))
                await node.kill()
            starts = len(b.gateway.abouts)
            await node.start()
            await until(lambda: len(b.gateway.abouts) > starts, "a session of the last start")
            await until(lambda: b.gateway.abouts[-1].boot in sent_boots(b), "a pack of the last start")
            await node.kill()
            # Whatever was signed and got away is in one chain, each pack once, each boot with its own number.
            b.gateway.check_chain()
            assert len(sent_boots(b)) > KILLS // 4
            assert b.gateway.abouts[-1].boot >= max(boot for boot, _ in b.gateway.order)

    asyncio.run(main())


def test_packs_wait_in_the_journal_while_the_gateway_is_away(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            b.gateway.deaf = True
            node = await b.node()
            for _ in range(3):
                enough = b.stored() + 400
                await node.start()
                await until(lambda enough=enough: b.stored() >= enough, "a pack of this start in flash")
                await node.kill()
            assert not b.gateway.packs
            b.gateway.deaf = False
            await node.start()
            await until(lambda: any(boot == 4 for boot, _ in b.gateway.order), "a pack of the last boot")
            await node.kill()
            b.gateway.check_chain()
            assert {boot for boot, _ in b.gateway.order} == {1, 2, 3, 4}
            assert b.gateway.order[0] == (1, 0)

    asyncio.run(main())


def test_a_renamed_device_leaves_no_pack_behind(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            gateway = b.gateway
            gateway.deaf = True
            node = await b.node()
            await node.start()
            folder = tmp_path / "state" / "journal" / "meter-1"
            first = folder / "00000001.seg"
            await until(lambda: first.exists() and first.stat().st_size > 2000, "a few packs")
            await node.kill()
            gateway.deaf = False
            node = await b.node(device="meter-2")
            await node.start()

            def said() -> list[link.GivenUp]:
                return [each for each in gateway.others if isinstance(each, link.GivenUp)]

            await until(lambda: bool(said()), "word that no more will come")
            old = [pack for pack, _ in gateway.packs.values() if pack.device == "meter-1"]
            assert [pack.sequence for pack in old] == list(range(len(old))) and len(old) > 2
            given_up = said()[0]
            assert (given_up.device, given_up.boot, given_up.sequence) == ("meter-1", 1, old[-1].sequence)
            assert given_up.held == 0 and folder.exists()
            gateway.send(link.Ack(*given_up[:4]))
            await until(lambda: not folder.exists(), "the old folder removed")
            count = len(gateway.packs)
            await b.packs(count + 2)
            await node.kill()
            assert "settled" in node.said

    asyncio.run(main())


def test_a_full_journal_drops_the_oldest_and_shows_the_gap(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            b.gateway.deaf = True
            node = await b.node(journal_bytes=16384, poll_ms=20, report_ms=20)
            await node.start()
            folder = tmp_path / "state" / "journal" / "meter-1"
            oldest, later = folder / "00000001.seg", folder / "00000005.seg"
            await until(lambda: later.exists() and not oldest.exists(), "the first segment dropped")
            assert sum(path.stat().st_size for path in folder.iterdir()) <= 16384
            b.gateway.deaf = False
            await b.packs(10)
            await node.kill()
            first = b.gateway.order[0]
            assert first[1] > 0, "nothing was dropped"
            numbers = [sequence for _, sequence in b.gateway.order]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    asyncio.run(main())


def test_a_dead_meter_gives_bad_readings_and_comes_back(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            await node.start()
            await b.packs(2)
            b.mute = True

            def last() -> list:
                return list(b.gateway.packs[b.gateway.order[-1]][0].readings)

            await until(lambda: all(r.quality == BAD and r.mantissa is None for r in last()), "bad readings")
            assert {reading.reason for reading in last()} <= {"timeout", "unreachable"}
            b.mute = False
            await until(lambda: last()[0].quality == GOOD, "good readings again")
            await node.kill()
            b.gateway.check_chain()

    asyncio.run(main())


def test_noise_on_the_link_loses_nothing(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            dice = random.Random(5)

            def spoil(data: bytes) -> bytes:
                spoilt = bytearray(data)
                if dice.random() < 0.2:
                    spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
                return bytes(spoilt[: dice.randrange(len(spoilt))] if dice.random() < 0.1 else spoilt)

            b.gateway.spoil = spoil
            node = await b.node()
            await node.start()
            for _ in range(20):
                await asyncio.sleep(0.1)
                b.gateway.write(dice.randbytes(dice.randrange(1, 400)))
            b.gateway.write(b"\x01" * 5000)
            b.gateway.write(b"\x00" + frame.encode(b"\xff\xff") + frame.encode(link.encode(link.Error(99, "what?"))))
            b.gateway.spoil = lambda data: data
            await b.packs(len(b.gateway.packs) + 5)
            await node.kill()
            b.gateway.check_chain()
            assert "task" not in node.said

    asyncio.run(main())


def test_a_clock_that_jumps_a_year_keeps_the_order(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            await node.start()
            await b.packs(2)
            true_clock = b.gateway.clock
            b.gateway.clock = lambda: true_clock() - YEAR_MS // 2
            b.gateway.restart()  # the node asks for the time with each session

            def last():
                return b.gateway.packs[b.gateway.order[-1]][0]

            # One answer is not believed, but the time is in doubt; it is believed after three over ten seconds.
            await until(lambda: last().time_quality == HOLDOVER, "a time in doubt")
            assert abs(last().readings[0].time_ms - true_clock()) < 60_000
            await until(lambda: last().readings[0].time_ms < true_clock() - YEAR_MS // 4, "the new time")
            assert last().time_quality == SYNCED
            await node.kill()
            b.gateway.check_chain()

    asyncio.run(main())


def test_a_stopped_node_is_ended_by_its_watchdog(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node(watchdog_ms=1000)
            await node.start()
            await b.packs(1)
            node.signal(STOP)
            await asyncio.sleep(1.5)
            node.signal(GO)
            assert await node.ended() == -ALARM
            await node.start()
            await until(lambda: any(boot == 2 for boot, _ in b.gateway.order), "a pack after the restart")
            await node.kill()
            b.gateway.check_chain()

    asyncio.run(main())


HANGS = """
import asyncio, time, board
from wayside_node.clock import NodeClock
from wayside_node.supervisor import NodeSupervisor

clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, 1000)

async def well(beat):
    while True:
        beat()
        await asyncio.sleep_ms(10)

async def hangs(beat):
    {hang}

class Resort:
    def look(self):
        pass

supervisor = NodeSupervisor(clock, lambda: board.watchdog(1000), print, Resort())
supervisor.add("well", well, 300)
supervisor.add("hangs", hangs, 300)
asyncio.run(supervisor.run(100))
"""


@pytest.mark.parametrize("hang", ["await asyncio.Event().wait()", "while True: pass"], ids=["waits", "spins"])
def test_the_watchdog_fires_when_a_task_hangs(micropython: Path, hang: str) -> None:
    environment = os.environ | {"MICROPYPATH": f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"}
    ran = subprocess.run([micropython, "-c", HANGS.format(hang=hang)], env=environment, timeout=120)
    assert ran.returncode == -ALARM


def test_a_port_that_is_not_there_yet_is_waited_for(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            there = tmp_path / "ttyS9"
            node = await b.node(port=str(there))
            await node.start()
            await until(lambda: "task bus" in node.said, "a report of the missing port")
            assert "Traceback" not in node.said
            there.symlink_to(b.bus_port)
            await b.packs(2)
            await node.kill()

    asyncio.run(main())


def test_a_state_directory_that_cannot_be_written(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node(state="/dev/null/state")
            await node.start()
            assert await node.ended() == 1
            assert "can write to" in node.said

    asyncio.run(main())


def test_a_journal_that_refuses_costs_its_own_device_only(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            path = tmp_path / "node.json"
            config = json.loads(path.read_text())
            config["meters"].append(config["meters"][0] | {"device": "meter-2", "unit": 2})
            path.write_text(json.dumps(config))
            journals = tmp_path / "state" / "journal"
            journals.mkdir()
            (journals / "meter-2").write_bytes(b"as a folder whose records are spoilt")
            await node.start()
            await b.packs(3)
            await until(lambda: "journal of meter-2: " in node.said, "the device is named")
            assert {pack.device for pack, _ in b.gateway.packs.values()} == {"meter-1"}

    asyncio.run(main())


def test_a_folder_of_all_journals_that_refuses_stops_nobody(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            journals = tmp_path / "state" / "journal"
            journals.write_bytes(b"as a folder that flash does not give back")
            await node.start()
            await until(lambda: "journal of meter-1: " in node.said, "the journal is named")
            await until(lambda: bool(b.gateway.abouts), "a session")
            journals.unlink()
            await b.packs(3)
            await node.kill()
            b.gateway.check_chain()
            assert b.gateway.abouts[-1].boot == 1, "it did not start again"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda folder: (folder / "node.json").write_text("{}"), "node: is missing"),
        (lambda folder: (folder / "node.json").unlink(), "cannot be read"),
        (lambda folder: [path.write_bytes(b"x") for path in folder.glob("state/node.key*")], "node.key is damaged"),
        (lambda folder: [path.unlink() for path in (folder / "state").glob("counters.*")], "boot number"),
    ],
    ids=["no keys", "no file", "short key", "no counters"],
)
def test_what_cannot_be_used_is_said_in_one_line(micropython: Path, tmp_path: Path, spoil, text: str) -> None:
    async def main() -> None:
        async with bench(micropython, tmp_path) as b:
            node = await b.node()
            spoil(tmp_path)
            await node.start()
            assert await node.ended() == 1
            assert text in node.said
            assert len(node.said.splitlines()) == 1

    asyncio.run(main())
