"""The whole junction, and what may happen to it: at the lamps it is flash within 450 ms, every time."""

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from signals.bench_site import HERE, SiteBench, site_bench, until
from wayside.control import journal

FLASH_WITHIN_S = 0.45
BUSY_S = 0.05  # a test that was itself later than this measures again

pytestmark = pytest.mark.usefixtures("urgent")

Test = Callable[[SiteBench], Awaitable[None]]


def run(micropython: Path, tmp_path: Path, test: Test, controller: list[object] | None = None) -> None:
    async def main() -> None:
        async with site_bench(micropython, tmp_path, controller) as bench:
            await bench.start()
            await test(bench)

    asyncio.run(main())


async def flashes(bench: SiteBench, fault: Callable[[], object], mend: Callable[[], Awaitable[None]]) -> None:
    """The fault leads to flash in time; mended, the junction runs again."""
    for _ in range(5):
        took_s, lag_s = await bench.flash_after(fault)
        print(f"flash after {took_s * 1000:.0f} ms, the test late by {lag_s * 1000:.0f} ms")
        await mend()
        await bench.running()
        if lag_s < BUSY_S:
            assert took_s < FLASH_WITHIN_S
            return
    raise AssertionError("the host was never quiet enough to measure")


@pytest.mark.parametrize("victim", ["controller", "monitor"])
def test_killed_or_stopped(victim: str, micropython: Path, tmp_path: Path) -> None:
    async def test(bench: SiteBench) -> None:
        process = getattr(bench, victim)

        async def start_again() -> None:
            await process.kill()
            await process.start()

        async def go_on() -> None:
            process.signal(signal.SIGCONT)

        await flashes(bench, lambda: process.signal(signal.SIGKILL), start_again)
        await flashes(bench, lambda: process.signal(signal.SIGSTOP), go_on)

    run(micropython, tmp_path, test)


def test_a_clock_that_jumps_by_an_hour(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: SiteBench) -> None:
        async def nothing() -> None:
            # An hour, to the millisecond to which either clock is rounded.
            said = [f"the clock was set by {3_600_000 + rounding} ms" for rounding in (-1, 0, 1)]
            await until(lambda: any(each in bench.controller.log for each in said), "the reason")

        await flashes(bench, lambda: bench.controller.signal(signal.SIGUSR1), nothing)

    run(micropython, tmp_path, test, [sys.executable, HERE / "jumping_clock.py"])


def test_a_full_disk(micropython: Path, tmp_path: Path) -> None:
    """The next entry that cannot be written is flash; a file-size limit stands for the full disk."""

    async def test(bench: SiteBench) -> None:
        await bench.running()
        assert bench.controller.running
        pid = bench.controller.running.pid
        unlimited = resource.RLIM_INFINITY
        (entries,) = (tmp_path / "controller").glob("*.journal")
        # What the controller says of it goes to a file, too: that one must have room.
        await until(lambda: entries.stat().st_size > len(bench.controller.log) + 1000, "a journal that is long enough")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (entries.stat().st_size, unlimited))
        bench.cabinet.clear()
        bench.cabinet.inputs[1] = 1  # a car comes: an event
        await until(lambda: "File too large" in bench.controller.log, "the entry that cannot be written")
        began = time.monotonic()
        await until(lambda: bench.cabinet.flashing, "flash")
        assert bench.cabinet.seen[-1][0] - began < FLASH_WITHIN_S
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        await bench.running()
        assert list(journal.read(tmp_path / "controller"))  # nothing torn

    run(micropython, tmp_path, test)


def spoiler(kind: str) -> Callable[[bytes], bytes]:
    chance = random.Random(7)
    held: list[bytes] = []

    def flip(data: bytes) -> bytes:
        spoilt = bytearray(data)
        spoilt[chance.randrange(len(data) - 1)] ^= 1 << chance.randrange(8)
        return bytes(spoilt)

    def reverse(data: bytes) -> bytes:
        """Six frames at a time, the last one first."""
        held.append(data)
        if len(held) < 6:
            return b""
        frames = b"".join(reversed(held))
        held.clear()
        return frames

    def hold_back(data: bytes) -> bytes:
        """Each frame whole, once and in order, but behind six others."""
        held.append(data)
        return held.pop(0) if len(held) > 6 else b""

    return {"bit flips": flip, "wrong order": reverse, "held back": hold_back}[kind]


@pytest.mark.parametrize("kind", ["bit flips", "wrong order", "held back"])
@pytest.mark.parametrize("line", ["to_controller", "to_monitor"])
def test_a_line_that_spoils_what_it_carries(line: str, kind: str, micropython: Path, tmp_path: Path) -> None:
    async def test(bench: SiteBench) -> None:
        cable = getattr(bench, line)
        good = cable.spoil

        def spoil() -> None:
            cable.spoil = spoiler(kind)

        async def mend() -> None:
            cable.spoil = good

        await flashes(bench, spoil, mend)

    run(micropython, tmp_path, test)


def test_a_fault_stays_until_it_is_reset_by_hand(micropython: Path, tmp_path: Path) -> None:
    def wayside(*words: object) -> str:
        command = [sys.executable, "-m", "wayside", "signals", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    async def test(bench: SiteBench) -> None:
        await bench.running()
        bench.cabinet.spoil = lambda lamps: bytes([*lamps[:3], 4]) if 4 in lamps else lamps  # a wire in the wrong place
        await until(lambda: (tmp_path / "monitor" / "fault").exists(), "the fault")
        await until(lambda: bench.cabinet.flashing, "flash")
        await until(lambda: len(list(journal.read(tmp_path / "monitor"))) == 1, "the entry")
        bench.cabinet.spoil = lambda lamps: lamps
        for process in (bench.monitor, bench.node, bench.controller):
            await process.kill()
            await process.start()
        await until(lambda: bench.monitor.log.count("monitoring") == 2, "the monitor again")
        bench.cabinet.clear()
        await asyncio.sleep(6)  # longer than a start takes
        assert not bench.cabinet.seen
        assert "resetting: " in await asyncio.to_thread(wayside, "reset", tmp_path / "monitor")
        await bench.running()
        assert not (tmp_path / "monitor" / "fault").exists()
        assert "there is no fault" in await asyncio.to_thread(wayside, "reset", tmp_path / "monitor")
        stop, kept, reset = (entry.body for entry in journal.read(tmp_path / "monitor"))
        assert stop.what == "stop" and "UNUSED: channel 4" in stop.cause
        pictures = stop.inputs["pictures"]
        assert pictures[-1][0] == 0 and any(lamps[3] == 4 for _, lamps in pictures)
        assert (kept.what, kept.cause) == ("stopped", stop.cause)
        assert (reset.what, reset.cause, reset.inputs) == ("reset", "by hand", {"fault": stop.cause})

    run(micropython, tmp_path, test)


def test_the_monitor_shares_no_code_with_the_controller() -> None:
    look = (
        "import sys, wayside.cli.signals, wayside.cli.signals.monitor;"
        "print([name for name in sys.modules if name.startswith('wayside.control.signals')])"
    )
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env=os.environ)
    assert seen.stdout.strip() == "[]"
