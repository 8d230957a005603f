"""What polling costs: Modbus/TCP readings and CPU, RTU requests as a share of the wire, the wait of a control write.

Prints one table. Figures are of the bus alone, without log and sinks; the meters run in a process of their own.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

from pymodbus.client import AsyncModbusTcpClient
from wayside import profiles
from wayside.lab.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.lab.plant.sunspec import SunSpecDevice
from wayside.runtime.clock import SystemClock
from wayside.south.modbus import DeviceSettings, ModbusBus, open_link
from wayside.values.reading import Quality, Reading

SIX = ("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3")
FIVE = SIX[:5]  # ten registers
FLAT_OUT = 1  # ms
_WARM_UP_S = 1.5

Row = tuple[str, str]


async def _serve_meters(count: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for seed in range(count):
            print(await stack.enter_async_context(serve_tcp(answer_for({1: Sdm630(seed)}))), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.asynccontextmanager
async def _meters(count: int) -> AsyncIterator[list[int]]:
    """The ports of `count` meters in another process."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", str(count), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin and child.stdout
    try:
        yield [int(await child.stdout.readline()) for _ in range(count)]
    finally:
        child.stdin.close()
        await child.wait()


@contextlib.asynccontextmanager
async def _running(buses: list[ModbusBus]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(bus.run()) for bus in buses]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tcp(count: int, poll_ms: int, seconds: float) -> tuple[float, float]:
    """(readings per second, CPU seconds per 1,000 readings)."""
    good = 0

    def on_readings(_device: str, readings: list[Reading]) -> None:
        nonlocal good
        good += sum(one.quality == Quality.GOOD for one in readings)

    async with _meters(count) as ports:
        profile = profiles.load("eastron-sdm630")
        buses = [
            ModbusBus(
                str(port),
                open_link(f"tcp://127.0.0.1:{port}"),
                [DeviceSettings(str(port), 1, profile, poll_ms, SIX)],
                SystemClock(),
                on_readings,
            )
            for port in ports
        ]
        if poll_ms == FLAT_OUT:
            for bus in buses:
                for device in bus.devices.values():
                    device.interval_s = 1e-6  # due again at once; a site file does not allow it
        async with _running(buses):
            await asyncio.sleep(_WARM_UP_S)
            good, cpu, start = 0, time.process_time(), time.monotonic()
            await asyncio.sleep(seconds)
            elapsed, used = time.monotonic() - start, time.process_time() - cpu
    return good / elapsed, used / good * 1000


async def _pymodbus(count: int, poll_s: float, seconds: float) -> tuple[float, float]:
    """The same reads with pymodbus's asynchronous client, registers not even decoded."""
    good = 0
    end = time.monotonic() + _WARM_UP_S + seconds

    async def poll(port: int) -> None:
        nonlocal good
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        try:
            # It is not cancelled: pymodbus swallows that and goes on.
            while (due := time.monotonic() + poll_s) < end + poll_s:
                answer = await client.read_input_registers(0, count=12, device_id=1)
                good += len(answer.registers) // 2
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        finally:
            client.close()

    async with _meters(count) as ports:
        tasks = [asyncio.create_task(poll(port)) for port in ports]
        await asyncio.sleep(_WARM_UP_S)
        good, cpu, start = 0, time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        elapsed, used, done = time.monotonic() - start, time.process_time() - cpu, good
        await asyncio.gather(*tasks)
    return done / elapsed, used / done * 1000


async def _rtu(baud: int, seconds: float) -> tuple[float, float]:
    """(requests of ten registers per second, share of what the wire carries) with ten meters polled without a pause."""
    turnaround_s = 0.002
    meters = {unit: Sdm630(unit) for unit in range(1, 11)}
    profile = profiles.load("eastron-sdm630")
    async with serve_pty(answer_for(meters), baud, 10, turnaround_s) as path:
        devices = [DeviceSettings(f"m{unit}", unit, profile, 20, FIVE) for unit in meters]
        bus = ModbusBus("rtu", open_link(f"rtu://{path}?baud={baud}"), devices, SystemClock(), lambda *_: None)
        async with _running([bus]):
            await asyncio.sleep(_WARM_UP_S)
            before, start = sum(one.statistics.good_polls for one in bus.devices.values()), time.monotonic()
            await asyncio.sleep(seconds)
            done = sum(one.statistics.good_polls for one in bus.devices.values()) - before
            rate = done / (time.monotonic() - start)
    silence_s = max(3.5 * 10 / baud, 0.00175)
    # Request 8 characters, answer 25, silence before the answer and after it.
    return rate, rate * (33 * 10 / baud + 2 * silence_s + turnaround_s)


async def _control_wait(seconds: float) -> tuple[float, float]:
    """p99 in seconds, at 9600 baud with ten meters polled, until a control write is sent and until it is read back."""
    units = {unit: Sdm630(unit) for unit in range(1, 11)}
    profile = profiles.load("eastron-sdm630")
    inverter = SunSpecDevice({1: {}, 702: {}}, base=0)
    waits = []
    async with serve_pty(answer_for({**units, 20: inverter}), 9600, 10, 0.005) as path:
        devices = [DeviceSettings(f"m{unit}", unit, profile, 500, FIVE) for unit in units]
        bus = ModbusBus("rtu", open_link(f"rtu://{path}?baud=9600"), devices, SystemClock(), lambda *_: None)
        async with _running([bus]):
            await asyncio.sleep(_WARM_UP_S)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                start = time.monotonic()
                await bus.write(20, 95, (len(waits) % 100).to_bytes(2, "big"))
                waits.append(time.monotonic() - start)
                await asyncio.sleep(0.037)
    sent = sorted(bus.control_waits_s)
    waits.sort()
    return sent[len(sent) * 99 // 100], waits[len(waits) * 99 // 100]


async def rows(seconds: float) -> list[Row]:
    """(what, figure) of every measurement."""
    table: list[Row] = []
    rate, cpu = await _tcp(100, 1000, 2 * seconds)
    table.append(("TCP, 100 meters at 1 Hz", f"{rate:,.0f} readings/s, {cpu:.4f} s CPU per 1,000"))
    rate, cpu = await _pymodbus(100, 1.0, 2 * seconds)
    table.append(("  the same by pymodbus alone", f"{rate:,.0f} readings/s, {cpu:.4f} s CPU per 1,000"))
    for count in (10, 100):
        rate, cpu = await _tcp(count, FLAT_OUT, seconds)
        table.append((f"TCP, {count} meters flat out", f"{rate:,.0f} readings/s, {cpu:.4f} s CPU per 1,000"))
        rate, cpu = await _pymodbus(count, 0.0, seconds)
        table.append(("  the same by pymodbus alone", f"{rate:,.0f} readings/s, {cpu:.4f} s CPU per 1,000"))
    for baud in (9600, 115200):
        rate, share = await _rtu(baud, 2 * seconds)
        table.append((f"RTU at {baud} baud, 10 registers", f"{rate:.1f} requests/s, {share:.1%} of the wire"))
    sent, done = await _control_wait(3 * seconds)
    table.append(
        ("Control write, 10 meters polled, p99", f"{sent * 1000:.0f} ms to be sent, {done * 1000:.0f} to read back")
    )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(_serve_meters(args.serve))
        return 0
    for what, figure in asyncio.run(rows(args.seconds)):
        print(f"{what:42} {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
