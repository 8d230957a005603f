"""The signal node in the real VM: what its lamps show, whatever it is told."""

import asyncio
import random
import time
from pathlib import Path

import pytest
from signals.bench_head import HeadBench, Master, head_bench, until
from wayside_wire.signal_frames import FAULT, GREEN, RED, RESET, RUNNING, STOP, Permit

FLASH_WITHIN_S = 0.45

pytestmark = pytest.mark.usefixtures("urgent")


def run(micropython: Path, tmp_path: Path, test) -> None:
    async def main() -> None:
        async with head_bench(micropython, tmp_path) as bench:
            await bench.node.start()
            await test(bench)

    asyncio.run(main())


def test_it_starts_in_flash_and_runs_with_orders_and_permits(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        bench.monitor.silent = True
        await until(lambda: bench.reason == "no permit for 300 ms", "the wait for a permit")
        assert not bench.cabinet.seen
        bench.monitor.silent, bench.controller.silent = False, True
        await until(lambda: bench.reason == "no order for 300 ms", "the wait for an order")
        assert not bench.cabinet.seen
        bench.controller.silent = False
        await bench.running()
        await until(lambda: bench.controller.said.lamps == bench.cabinet.lamps, "the picture of the green")
        assert bench.mode == RUNNING

    run(micropython, tmp_path, test)


@pytest.mark.parametrize("master", ["controller", "monitor"])
def test_silence_of_either_is_flash(master: str, micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        silenced: Master = getattr(bench, master)

        def fall_silent() -> None:
            silenced.silent = True

        def speak() -> None:
            silenced.silent = False

        assert await bench.flash_after(fall_silent, speak) < FLASH_WITHIN_S
        await until(lambda: bench.reason.startswith("no "), "the reason")
        assert bench.mode != FAULT
        speak()
        await bench.running()

    run(micropython, tmp_path, test)


def test_a_wrong_order_is_a_fault_that_only_the_monitor_resets(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        def order_conflict() -> None:
            bench.lamps_of = lambda lamps: bytes([GREEN, GREEN, RED, RED])

        def order_well() -> None:
            bench.lamps_of = lambda lamps: lamps

        assert await bench.flash_after(order_conflict, order_well) < FLASH_WITHIN_S
        await until(lambda: bench.mode == FAULT, "the fault")
        assert bench.reason.startswith("order: CONFLICT: channel 1 (ns) and channel 2 (ew)")
        order_well()
        # The controller cannot reset it, neither can a restart or the power.
        bench.controller.send(Permit, RESET, bench.controller.said.fault, 0)
        await bench.node.kill()
        bench.controller.said = bench.monitor.said = None
        await bench.node.start()
        await until(lambda: bench.controller.said is not None, "the node again")
        assert bench.mode == FAULT and bench.reason.startswith("order: CONFLICT")
        bench.controller.send(Permit, RESET, bench.controller.said.fault, 0)
        before = bench.controller.said
        await until(lambda: bench.controller.said.number > before.number + 5, "some pictures")
        assert bench.mode == FAULT and bench.cabinet.flashing
        await bench.reset()
        await bench.running()

    run(micropython, tmp_path, test)


def test_the_monitor_stops_it_for_good(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        await bench.running()
        bench.verdict = STOP
        await until(lambda: bench.mode == FAULT and bench.cabinet.flashing, "the stop")
        assert bench.reason == "stopped by the monitor"

    run(micropython, tmp_path, test)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lamps: bytes([lamps[0], lamps[1] | GREEN, *lamps[2:]]), "CONFLICT"),  # a welded relay
        (lambda lamps: bytes([lamps[0], lamps[1] & ~RED, *lamps[2:]]), "RED_FAIL"),  # a burnt bulb
    ],
)
def test_what_lamps_draw_counts_too(spoil, reason: str, micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        await bench.running()
        bench.cabinet.spoil = lambda lamps: spoil(lamps) if RED in lamps and GREEN in lamps else lamps
        await until(lambda: bench.mode == FAULT, "the fault")
        assert bench.reason.startswith(f"lamps: {reason}")
        assert bench.cabinet.flashing

    run(micropython, tmp_path, test)


def test_starts_are_counted_over_restarts(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        state = tmp_path / "state"
        await bench.running()
        assert set((state / "starts").read_text().split()) == {"0"}
        bench.watched = 7
        (state / "starts").write_text("0 0 1 2 3")
        for reason in ("", "service began 6 times within an hour", "service began 6 times within an hour"):
            await bench.node.kill()
            bench.controller.said = None
            await bench.node.start()
            await until(lambda: bench.mode == (FAULT if reason else RUNNING), "the node again")  # noqa: B023
            assert bench.reason == reason and (state / "starts").read_text() == "0 0 1 2 3 7"
        await bench.reset()
        await bench.running()
        assert set((state / "starts").read_text().split()) == {"7"}  # once, or once more on a busy machine

    run(micropython, tmp_path, test)


@pytest.mark.parametrize("content", [b"", b"\xff", b"lamps: torn", b"00 short", b"0123456789abcdef "])
def test_a_fault_that_cannot_be_read_is_one(content: bytes, micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with head_bench(micropython, tmp_path) as bench:
            (tmp_path / "state").mkdir()
            (tmp_path / "state" / ("fault" if content else "starts")).write_bytes(content)
            await bench.node.start()
            await until(lambda: bench.mode == FAULT, "the fault")
            assert bench.reason == ("a fault before the restart" if content else "the record of starts cannot be read")
            await bench.reset()

    asyncio.run(main())


def test_sensors_that_say_red_for_ever(micropython: Path, tmp_path: Path) -> None:
    """With them no relay that welds would be seen."""

    async def test(bench: HeadBench) -> None:
        flash = bench.cabinet.lamps
        bench.cabinet.spoil = lambda lamps: lamps if lamps == flash else bytes([RED] * len(lamps))
        await until(lambda: bench.mode == FAULT, "the fault")
        assert bench.reason == "lamps: FIELD: channel 1 (ns) draws R where G is switched"

    run(micropython, tmp_path, test)


def test_flipped_bits_never_reach_the_lamps(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        chance = random.Random(1)

        def flip(data: bytes) -> bytes:
            spoilt = bytearray(data)
            spoilt[chance.randrange(len(data) - 1)] ^= 1 << chance.randrange(8)
            return bytes(spoilt)

        def spoil_all() -> None:
            bench.controller.spoil = flip

        def spoil_nothing() -> None:
            bench.controller.spoil = lambda data: data

        assert await bench.flash_after(spoil_all, spoil_nothing) < FLASH_WITHIN_S
        await until(lambda: bench.reason == "no order for 300 ms", "the reason")
        spoil_nothing()
        await bench.running()
        # Now and then one is lost: the next one comes in time.
        bench.cabinet.clear()
        bench.controller.spoil = lambda data: flip(data) if chance.random() < 0.2 else data
        before = bench.controller.said
        await until(lambda: bench.controller.said.number > before.number + 20, "two seconds")
        assert bench.mode != FAULT

    run(micropython, tmp_path, test)


def test_repeated_and_reordered_frames_do_not_count(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        write = bench.controller.write
        green: list[bytes] = []

        def replay() -> None:
            """In the place of the real orders come older ones, the latest first and each again and again."""
            green[:] = bench.controller.sent[-20:]
            bench.controller.write = lambda raw: [write(old) for old in reversed(green)]

        def play_on() -> None:
            bench.controller.write = write

        assert await bench.flash_after(replay, play_on) < FLASH_WITHIN_S
        await until(lambda: bench.reason == "no order for 300 ms", "the reason")

    run(micropython, tmp_path, test)


@pytest.mark.parametrize("master", ["controller", "monitor"])
def test_frames_that_somebody_stores_and_lets_out_one_by_one_do_not_count(
    master: str, micropython: Path, tmp_path: Path
) -> None:
    """In order, each once, every 100 ms: what a sequence number alone lets pass for as long as the store lasts."""

    async def test(bench: HeadBench) -> None:
        robbed: Master = getattr(bench, master)
        write, held = robbed.write, []

        def hold() -> None:
            """From now on each frame waits behind two hundred others; the first of them goes out at once."""
            held.extend(robbed.sent[-1:])
            robbed.write = lambda raw: (held.append(raw), write(held.pop(0))) if len(held) > 5 else held.append(raw)

        def let_go() -> None:
            robbed.write = write
            held.clear()

        assert await bench.flash_after(hold, let_go) < FLASH_WITHIN_S
        bench.cabinet.clear()
        await asyncio.sleep(2)  # what was stored comes, late and in order
        assert not bench.cabinet.seen and bench.mode != FAULT
        let_go()
        await bench.running()

    run(micropython, tmp_path, test)


def test_frames_of_an_earlier_start_do_not_count(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        await bench.running()
        orders, permits = list(bench.controller.sent), list(bench.monitor.sent)
        await bench.node.kill()
        bench.controller.said = bench.monitor.said = None
        bench.controller.silent = bench.monitor.silent = True
        await bench.node.start()
        await until(lambda: bench.controller.said is not None, "the node again")
        bench.cabinet.clear()
        for order, permit in zip(orders, permits, strict=False):
            bench.controller.write(order)
            bench.monitor.write(permit)
            await asyncio.sleep(0.01)
        assert not bench.cabinet.seen and bench.controller.said.reason == "no order for 300 ms"

    run(micropython, tmp_path, test)


def test_a_node_that_dies_leaves_flash(micropython: Path, tmp_path: Path) -> None:
    async def test(bench: HeadBench) -> None:
        await bench.running()
        bench.cabinet.clear()
        began = time.monotonic()
        await bench.node.kill()
        await until(lambda: bench.cabinet.flashing, "flash")
        assert bench.cabinet.seen[-1][0] - began < FLASH_WITHIN_S

    run(micropython, tmp_path, test)


def keep(bench: HeadBench, matrix: str) -> None:
    (bench.node.folder / "state").mkdir()
    (bench.node.folder / "state" / "matrix").write_text(matrix)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bench: (bench.node.folder / "matrix").unlink(), "cannot be read"),
        (lambda bench: (bench.node.folder / "matrix").write_text("x"), "is not a signed note"),
        (
            lambda bench: (bench.node.folder / "matrix").write_text(
                (bench.node.folder / "matrix").read_text().replace("30", "90", 1)
            ),
            "no signature by town",
        ),
        (
            lambda bench: bench.node.config["monitor"].update(bench.node.config["controller"]),
            "the monitor needs its own",
        ),
        (lambda bench: bench.node.config["monitor"].update(key="00"), "64 hexadecimal digits"),
        (lambda bench: bench.node.config["matrix"].update(key="town"), "matrix.key: write NAME+KEYID+BASE64"),
        (lambda bench: bench.node.config.update(inputs=65), "inputs"),
        (lambda bench: keep(bench, "2 0000000000000000"), "version 1 is older than 2"),
        (lambda bench: keep(bench, "1 0000000000000000"), "another text of version 1"),
        (lambda bench: keep(bench, ""), "the record of the one before cannot be read"),
        (lambda bench: (bench.node.folder / "state" / "matrix").mkdir(parents=True), "EISDIR"),
        (lambda bench: bench.node.config.update(colour="red"), "colour"),
    ],
)
def test_what_cannot_be_run_is_explained(change, said: str, micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with head_bench(micropython, tmp_path) as bench:
            change(bench)
            await bench.node.start()
            assert await bench.node.ended() == 1
            assert said in bench.node.log and "Traceback" not in bench.node.log

    asyncio.run(main())
