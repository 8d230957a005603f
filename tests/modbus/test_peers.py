"""Against Modbus made by others: libmodbus as server, mbpoll as client, pymodbus as simulator."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tty
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from waiting import free_port, running, until
from wayside import profiles
from wayside.lab.plant import Sdm630, answer_for, serve_pty, serve_tcp
from wayside.runtime.clock import SystemClock
from wayside.south.modbus import DeviceSettings, ModbusBus, Proxy, open_link
from wayside.values.reading import Quality, Reading
from wayside_wire import modbus

HERE = Path(__file__).parent
PROFILE = """
[profile]
name = "peer"
title = "t"
source = "s"
verified = "document"
[requests]
max_registers = 60
[registers]
area = "{area}"
type = "u16"
[[probe]]
address = 0
min = 0
max = 0
[channels]
one = {{ address = 1, unit = "V" }}
ten = {{ address = 10, unit = "V" }}
far = {{ address = 900, unit = "V" }}
"""


@pytest.fixture
def peer_profile(tmp_path: Path) -> Any:
    path = tmp_path / "peer.toml"
    path.write_text(PROFILE.format(area="input"))
    return profiles.load_file(path)


@pytest.fixture(scope="module")
def libmodbus_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc)")
    out = tmp_path_factory.mktemp("peer") / "peer_server"
    built = subprocess.run(
        ["cc", "-O1", "-I/usr/include/modbus", "-o", out, HERE / "peer_server.c", "-lmodbus"], capture_output=True
    )
    if built.returncode:
        pytest.skip("no libmodbus to build with (Debian: libmodbus-dev)")
    return out


@contextlib.asynccontextmanager
async def polling(endpoint: str, devices: list[DeviceSettings]) -> AsyncIterator[tuple[ModbusBus, list[list[Reading]]]]:
    reports: list[list[Reading]] = []
    bus = ModbusBus(
        "bus", open_link(endpoint), devices, SystemClock(), lambda _device, readings: reports.append(readings)
    )
    async with running(bus.run()):
        yield bus, reports


@contextlib.asynccontextmanager
async def process(*command: Any) -> AsyncIterator[None]:
    child = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin and child.stdout
    try:
        async with asyncio.timeout(60):
            assert await child.stdout.readline() == b"ready\n"
        yield
    finally:
        child.kill()
        await child.wait()


def good_values(reports: list[list[Reading]]) -> list[list[int | None]]:
    return [[one.mantissa for one in report] for report in reports if report[0].quality == Quality.GOOD]


def test_libmodbus_over_tcp(libmodbus_server: Path, peer_profile: Any) -> None:
    async def main() -> None:
        port = free_port()
        device = DeviceSettings("d", 7, peer_profile, poll_ms=20)
        async with (
            process(libmodbus_server, "tcp", port),
            polling(f"tcp://127.0.0.1:{port}", [device]) as (bus, reports),
        ):
            await until(lambda: len(good_values(reports)) >= 20)
            assert all(values == [3, 30, 2700] for values in good_values(reports))
            assert (await bus.write(7, 100, b"\x12\x34\x56\x78")).found == b"\x12\x34\x56\x78"
            assert (await bus.write(7, 100, b"\x43\x21", modbus.WRITE_REGISTER)).found == b"\x43\x21"
            with pytest.raises(modbus.ModbusError, match="illegal data address"):
                await bus.request(modbus.read_request(7, 3, 990, 20))
            assert bus.link.guard.counts == {}

    asyncio.run(main())


def test_libmodbus_over_a_pty(libmodbus_server: Path, peer_profile: Any) -> None:
    async def main() -> None:
        # Two ptys back to back: libmodbus opens one end as its serial port, the bus the other.
        left, left_port = os.openpty()
        right, right_port = os.openpty()
        for fd in (left, left_port, right, right_port):
            tty.setraw(fd)
        loop = asyncio.get_running_loop()
        loop.add_reader(left, lambda: os.write(right, os.read(left, 512)))
        loop.add_reader(right, lambda: os.write(left, os.read(right, 512)))
        device = DeviceSettings("d", 7, peer_profile, poll_ms=50)
        try:
            async with (
                process(libmodbus_server, "rtu", os.ttyname(left_port), 19200),
                polling(f"rtu://{os.ttyname(right_port)}?baud=19200", [device]) as (bus, reports),
            ):
                await until(lambda: len(good_values(reports)) >= 10)
                assert all(values == [3, 30, 2700] for values in good_values(reports))
                assert (await bus.write(7, 100, b"\x12\x34\x56\x78")).found == b"\x12\x34\x56\x78"
        finally:
            loop.remove_reader(left)
            loop.remove_reader(right)
            for fd in (left, left_port, right, right_port):
                os.close(fd)

    asyncio.run(main())


def test_rtu_over_tcp(peer_profile: Any) -> None:
    class Converter(asyncio.Protocol):
        """A serial converter: what comes by TCP goes to the line as it is, and the other way round."""

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            body = modbus.rtu_body(data)
            registers = b"".join((3 * at).to_bytes(2, "big") for at in range(body[3] | body[2] << 8, 1000))
            frame = modbus.rtu_frame(body[:2] + bytes((2 * body[5],)) + registers[: 2 * body[5]])
            self.transport.write(frame[:4])
            asyncio.get_running_loop().call_later(0.003, self.transport.write, frame[4:])

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Converter, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        device = DeviceSettings("d", 7, peer_profile, poll_ms=20)
        async with server, polling(f"rtu+tcp://127.0.0.1:{port}", [device]) as (bus, reports):
            await until(lambda: len(good_values(reports)) >= 5)
            assert all(values == [3, 30, 2700] for values in good_values(reports))
            assert bus.link.guard.counts == {}

    asyncio.run(main())


async def mbpoll(*arguments: str) -> str:
    child = await asyncio.create_subprocess_exec(
        "mbpoll", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        out, _ = await child.communicate()
    return out.decode()


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="no mbpoll (Debian: mbpoll)")
def test_mbpoll_reads_through_the_proxy() -> None:
    async def main() -> None:
        meter = Sdm630(1)
        async with (
            serve_tcp(answer_for({1: meter})) as port,
            polling(f"tcp://127.0.0.1:{port}", [DeviceSettings("m", 1, profiles.load("eastron-sdm630"))]) as (
                bus,
                reports,
            ),
            Proxy(bus).listen(0) as proxy_port,
        ):
            await until(lambda: reports)
            # mbpoll counts from 1; type 3 are input registers, as floats with the high word first (-B).
            out = await mbpoll(
                "-0",
                "-m",
                "tcp",
                "-p",
                str(proxy_port),
                "-a",
                "1",
                "-t",
                "3:float",
                "-B",
                "-r",
                "70",
                "-1",
                "127.0.0.1",
            )
            assert "[70]" in out and ("50" in out or "49.9" in out), out
            refused = await mbpoll(
                "-0", "-m", "tcp", "-p", str(proxy_port), "-a", "1", "-t", "4", "-r", "5", "127.0.0.1", "1"
            )
            assert "Illegal function" in refused, refused
            dead = await mbpoll(
                "-0", "-m", "tcp", "-p", str(proxy_port), "-a", "9", "-t", "3", "-r", "70", "-1", "-o", "4", "127.0.0.1"
            )
            assert "failed" in dead.lower(), dead
            # Our own polling went on all the while.
            count = len(reports)
            await until(lambda: len(reports) > count)

    asyncio.run(main())


SIMULATOR = """
import asyncio
from pymodbus.server import ModbusTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusDeviceContext, ModbusServerContext
async def main():
    block = ModbusSequentialDataBlock(1, [3 * i for i in range(1000)])
    context = ModbusServerContext(devices=ModbusDeviceContext(ir=block, hr=block), single=True)
    server = ModbusTcpServer(context, address=("127.0.0.1", PORT))
    await server.listen()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, input)
with __import__("contextlib").suppress(EOFError):
    asyncio.run(main())
"""


def test_pymodbus_as_simulator(peer_profile: Any) -> None:
    async def main() -> None:
        port = free_port()
        device = DeviceSettings("d", 3, peer_profile, poll_ms=20)
        async with (
            process(sys.executable, "-W", "ignore", "-c", SIMULATOR.replace("PORT", str(port))),
            polling(f"tcp://127.0.0.1:{port}", [device]) as (bus, reports),
        ):
            await until(lambda: len(good_values(reports)) >= 20)
            assert all(values == [3, 30, 2700] for values in good_values(reports))
            assert (await bus.write(3, 100, b"\x12\x34")).found == b"\x12\x34"

    asyncio.run(main())


def test_several_meters_on_a_paced_pty() -> None:
    async def main() -> None:
        meters = {unit: Sdm630(unit) for unit in (1, 2)}
        devices = [
            DeviceSettings(f"m{unit}", unit, profiles.load("eastron-sdm630"), poll_ms=300, channels=("voltage_l1",))
            for unit in (1, 2, 9)
        ]
        async with serve_pty(answer_for(meters)) as path, polling(f"rtu://{path}?baud=9600", devices) as (bus, reports):
            await until(lambda: all(bus.devices[name].statistics.good_polls >= 5 for name in ("m1", "m2")))
            values = [one for report in reports for one in report if one.quality == Quality.GOOD]
            assert all(215_000 < one.mantissa < 245_000 for one in values)
            assert set(bus.link.guard.counts) <= {"timeout"}
            assert bus.devices["m9"].statistics.good_polls == 0

    asyncio.run(main())
