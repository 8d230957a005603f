"""Devices and gateways that do not keep to the standard, each as somebody has met it, on real sockets."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from modbus.virtual import Clock, MemoryLink, run
from waiting import running, until
from wayside import profiles
from wayside.lab.plant import Sdm630, answer_for
from wayside.lab.plant.serve import Slave
from wayside.net.endpoint import PLAIN, Manners
from wayside.runtime.clock import SystemClock
from wayside.site import config
from wayside.south.modbus import DeviceSettings, ModbusBus, open_link
from wayside.values.reading import Quality, Reading
from wayside_wire import modbus
from wayside_wire.modbus_field import RegisterField

TWO = ("voltage_l1", "frequency")
_HEADER = 6
_PLAIN = ("u", False, False, 0, 1, frozenset(), None, 0, None)

Reply = Callable[[bytes], None]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sdm(name: str, unit: int, **more: Any) -> DeviceSettings:
    more = {"channels": TWO, "poll_ms": 50, "timeout_ms": 100, **more}
    return DeviceSettings(name, unit, profiles.load("eastron-sdm630"), **more)


class Server:
    """A Modbus/TCP device of one's own: each connection counted, requests answered as the test says."""

    def __init__(self, serve: "Callable[[Server, Connection], Awaitable[None]]"):
        self.connections = 0
        self.requests = 0
        self._serve = serve
        self.answer = answer_for({unit: Sdm630(1) for unit in (0, 1, 255)})

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[int]:
        tasks: set[asyncio.Task[None] | None] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            tasks.add(asyncio.current_task())
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._serve(self, Connection(self, reader, writer, self.connections))
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                assert task
                task.cancel()
            await asyncio.gather(*[task for task in tasks if task], return_exceptions=True)


class Connection:
    """number: of the connection, the first is 1."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int):
        self.number = number
        self._server = server
        self._reader = reader
        self._writer = writer

    async def next(self) -> tuple[int, bytes]:
        """(transaction, body) of the next request."""
        head = await self._reader.readexactly(_HEADER)
        body = await self._reader.readexactly(int.from_bytes(head[4:], "big"))
        self._server.requests += 1
        return int.from_bytes(head[:2], "big"), body

    def reply(self, transaction: int, body: bytes | None) -> None:
        assert body
        self._writer.write(modbus.tcp_frame(transaction & 0xFFFF, body))


@contextlib.asynccontextmanager
async def polling(
    server: Server, devices: list[DeviceSettings], manners: Manners = PLAIN
) -> AsyncIterator[tuple[ModbusBus, list[list[Reading]]]]:
    reports: list[list[Reading]] = []
    async with server.listen() as port:
        link = open_link(f"tcp://127.0.0.1:{port}", manners)
        bus = ModbusBus("bus", link, devices, SystemClock(), lambda _device, readings: reports.append(readings))
        async with running(bus.run()):
            yield bus, reports


def bad(reports: list[list[Reading]]) -> set[str]:
    """The reasons of all bad readings."""
    return {one.reason for report in reports for one in report if one.quality != Quality.GOOD}


def test_a_device_that_closes_after_each_answer() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        transaction, body = await connection.next()
        connection.reply(transaction, server.answer(body))

    async def main() -> None:
        server = Server(serve)
        async with polling(server, [sdm("m", 1, poll_ms=20)]) as (_, reports):
            await until(lambda: len(reports) >= 10)
        assert bad(reports) == set()
        assert server.connections >= 10

    asyncio.run(main())


def test_a_request_lost_with_its_connection_is_asked_again_on_a_new_one() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            if server.requests % 3 == 0:  # closed between request and answer
                return
            connection.reply(transaction, server.answer(body))

    async def main() -> None:
        server = Server(serve)
        async with polling(server, [sdm("m", 1, poll_ms=20)]) as (_, reports):
            await until(lambda: len(reports) >= 10)
        assert bad(reports) == set()

    asyncio.run(main())


def test_a_server_that_takes_nobody_in_is_not_hammered() -> None:
    async def serve(_server: Server, connection: Connection) -> None:
        await connection.next()  # and closes

    async def main() -> None:
        server = Server(serve)
        async with polling(server, [sdm("m", 1, poll_ms=20)]) as (_, reports):
            await until(lambda: len(reports) >= 30)
        assert bad(reports) <= {"connection closed by the device", "no link"}
        assert server.connections <= 3

    asyncio.run(main())


def test_a_half_open_connection_is_noticed_within_three_polls() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            if connection.number > 1 or server.requests <= 5:
                connection.reply(transaction, server.answer(body))

    async def main() -> None:
        server = Server(serve)
        async with polling(server, [sdm("m", 1, poll_ms=500)]) as (bus, reports):
            await until(lambda: server.connections == 2)
            polls = bus.devices["m"].statistics.polls
            # The request that was lost is asked again: there is no bad reading at all.
            await until(lambda: len(reports) >= 8)
        assert bad(reports) == set()
        assert polls <= 5 + 3

    asyncio.run(main())


def test_a_dead_unit_behind_a_gateway_costs_the_others_no_value_and_at_most_a_connection_each_time() -> None:
    asked = 0

    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            if body[0] == 1:
                connection.reply(transaction, server.answer(body))
            else:
                nonlocal asked
                asked += 1

    async def main() -> None:
        server = Server(serve)
        devices = [sdm("m", 1, poll_ms=20), sdm("dead", 9, poll_ms=20)]
        async with polling(server, devices) as (bus, _):
            await until(lambda: bus.devices["dead"].unreachable and bus.devices["m"].statistics.good_polls > 20)
            statistics = bus.devices["m"].statistics
            assert statistics.good_polls >= statistics.polls - 1
        assert server.connections <= 1 + asked

    asyncio.run(main())


def test_a_dead_unit_that_is_asked_first_on_a_connection_does_not_bar_the_others_from_it() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            if body[0] == 1:
                connection.reply(transaction, server.answer(body))

    async def main() -> None:
        devices = [sdm("dead", 9, poll_ms=20), sdm("m", 1, poll_ms=20)]
        async with polling(Server(serve), devices) as (bus, _):
            await until(lambda: bus.devices["dead"].statistics.requests >= 3)
            await until(lambda: bus.devices["m"].statistics.good_polls >= 20)
            assert modbus.DOUBTFUL not in bus.devices["m"].statistics.failures

    asyncio.run(main())


def test_a_dead_unit_of_which_the_gateway_tells_costs_no_connection() -> None:
    """0x0B ends the request for this connection: what the serial line says later a new one would be given as well."""

    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            alive = body[0] == 1
            connection.reply(transaction, server.answer(body) if alive else bytes((body[0], body[1] | 0x80, 0x0B)))

    async def main() -> None:
        server = Server(serve)
        devices = [sdm("m", 1, poll_ms=20), sdm("dead", 9, poll_ms=20), sdm("too", 8, poll_ms=20)]
        async with polling(server, devices) as (bus, _):
            dead = bus.devices["dead"].statistics
            await until(lambda: dead.requests >= 4 and bus.devices["m"].statistics.good_polls > 100)
            assert bus.devices["m"].statistics.good_polls >= bus.devices["m"].statistics.polls - 1
        assert server.connections == 1

    asyncio.run(main())


def test_silence_after_connecting() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        began = asyncio.get_running_loop().time()
        while True:
            transaction, body = await connection.next()
            if asyncio.get_running_loop().time() - began < 0.3:
                return  # what comes too early ends the connection
            connection.reply(transaction, server.answer(body))

    async def main() -> None:
        server = Server(serve)
        async with polling(server, [sdm("m", 1)], Manners(connect_delay_ms=400)) as (_, reports):
            await until(lambda: len(reports) >= 5)
        assert bad(reports) == set()
        assert server.connections == 1

    asyncio.run(main())


def test_units_0_and_255() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            connection.reply(transaction, server.answer(body))

    async def main() -> None:
        async with polling(Server(serve), [sdm("a", 0), sdm("b", 255)]) as (_, reports):
            await until(lambda: len(reports) >= 6)
        assert bad(reports) == set()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("manners", "reason"),
    [
        (Manners(any_transaction=True), None),
        (PLAIN, "was asked: see any_transaction"),
    ],
)
def test_a_gateway_with_transaction_numbers_of_its_own(manners: Manners, reason: str | None) -> None:
    async def serve(server: Server, connection: Connection) -> None:
        for number in itertools.count(1):
            _, body = await connection.next()
            connection.reply(7 * number, server.answer(body))

    async def main() -> None:
        async with polling(Server(serve), [sdm("m", 1)], manners) as (_, reports):
            await until(lambda: len(reports) >= 3)
        if reason is None:
            assert bad(reports) == set()
        else:
            assert all(one.quality == Quality.BAD for report in reports for one in report)
            assert any(reason in one for one in bad(reports))

    asyncio.run(main())


def test_a_gateway_one_answer_behind_is_not_taken_for_one_with_numbers_of_its_own() -> None:
    async def serve(server: Server, connection: Connection) -> None:
        before = None
        while True:
            transaction, body = await connection.next()
            if before:
                connection.reply(*before)
            before = transaction, server.answer(body)

    async def main() -> None:
        async with polling(Server(serve), [sdm("m", 1)]) as (_, reports):
            await until(lambda: len(reports) >= 3)
        assert all(one.quality == Quality.BAD for report in reports for one in report)
        assert not any("any_transaction" in one for one in bad(reports))

    asyncio.run(main())


@pytest.mark.parametrize("count", [2, 6])
def test_a_gateway_that_gives_a_late_serial_answer_the_number_of_the_newest_request(count: int) -> None:
    """All registers of one shape, as keba-p30 has them: no answer is taken for that of another."""

    async def serve(server: Server, connection: Connection) -> None:
        newest = 0
        asked: asyncio.Queue[bytes] = asyncio.Queue()

        async def line() -> None:
            for number in itertools.count(1):
                body = await asked.get()
                await asyncio.sleep(0.25 if number % 7 == 0 else 0.002)
                known = body[5] == 2 and body[1] == 4
                connection.reply(newest, body[:2] + b"\x04\x00\x00" + body[2:4] if known else body[:1] + b"\x84\x02")

        async with running(line()):
            while True:
                newest, body = await connection.next()
                asked.put_nowait(body)

    async def main() -> None:
        fields = {f"v{at}": RegisterField(f"v{at}", "V", 0, 4, 10 * at, 2, *_PLAIN) for at in range(count)}
        profile = profiles.load("eastron-sdm630")._replace(
            fields=fields, defaults=tuple(fields), identity={}, read_gaps=False, max_registers=9
        )
        device = DeviceSettings("m", 1, profile, 30, timeout_ms=100)
        async with polling(Server(serve), [device]) as (_, reports):
            await until(lambda: len(reports) >= 25)
        good = [one for report in reports for one in report if one.quality == Quality.GOOD]
        assert all(one.channel == f"v{(one.mantissa or 0) // 10}" for one in good)
        assert len(good) > 15 * count

    asyncio.run(main())


@pytest.mark.parametrize(
    ("manners", "reason"),
    [
        (Manners(answers_as_unit_0=True), None),
        (PLAIN, "unit 0 answered, 1 was asked: see answers_as_unit_0"),
    ],
)
def test_a_gateway_that_answers_as_unit_0(manners: Manners, reason: str | None) -> None:
    async def serve(server: Server, connection: Connection) -> None:
        while True:
            transaction, body = await connection.next()
            answer = server.answer(body)
            assert answer
            connection.reply(transaction, b"\x00" + answer[1:])

    async def main() -> None:
        async with polling(Server(serve), [sdm("m", 1)], manners) as (_, reports):
            await until(lambda: len(reports) >= 3)
        assert bad(reports) == set() if reason is None else reason in bad(reports)

    asyncio.run(main())


# ---- serial lines, in virtual time


class Site:
    """A bus over a MemoryLink."""

    def __init__(self, units: dict[int, Slave], devices: list[DeviceSettings], **link: Any):
        self.link = MemoryLink(answer_for(units), **link)
        self.reports: list[list[Reading]] = []
        self.bus = ModbusBus("bus", self.link, devices, Clock(), lambda _, readings: self.reports.append(readings))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        task = asyncio.create_task(self.bus.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_a_pause_holds_for_the_line_and_not_for_each_device() -> None:
    async def main() -> None:
        clock = Clock().monotonic
        units: dict[int, Slave] = {unit: Sdm630(unit, clock) for unit in (1, 2, 3)}
        devices = [sdm(f"m{unit}", unit, poll_ms=20, channels=("voltage_l1",)) for unit in units]
        async with Site(units, devices, manners=Manners(pause_ms=80)).running() as site:
            await asyncio.sleep(20)
        # Request, answer and turnaround take 28 ms at 9600 baud.
        times = [at for at, _ in site.link.sent]
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.1
        assert {body[0] for _, body in site.link.sent} == {1, 2, 3}
        assert bad(site.reports) == set()

    run(main)


def test_an_adapter_that_echoes() -> None:
    async def main() -> None:
        units: dict[int, Slave] = {1: Sdm630(1, Clock().monotonic)}
        async with Site(units, [sdm("m", 1, poll_ms=1000)], echo=True).running() as site:
            await asyncio.sleep(10)
        assert bad(site.reports) == set() and len(site.reports) >= 10
        assert site.link.guard.counts == {"echo": len(site.link.sent)}

    run(main)


class Counting:
    """Holding registers that hold their own address, one word each; nothing is written."""

    def read(self, function: int, address: int, count: int) -> bytes:
        return b"".join((address + at).to_bytes(2, "big") for at in range(count))

    def write(self, address: int, registers: bytes) -> None: ...


def test_reads_of_one_shape_through_the_bus_when_the_first_comes_late() -> None:
    async def main() -> None:
        site = Site({1: Counting()}, [])
        honest = site.link.answer
        loop = asyncio.get_running_loop()

        def late(body: bytes) -> bytes | None:
            """The third request is answered after 5 s, long after timeout and quiet; what comes meanwhile is not."""
            if len(site.link.sent) == 3:
                frame = modbus.rtu_frame(honest(body) or b"")
                loop.call_later(5, site.link._arrived, frame)
                site.link.answer = lambda _: None
                loop.call_later(4.9, setattr, site.link, "answer", late)
                return None
            return honest(body)

        site.link.answer = late
        async with site.running():
            wrong = right = 0
            for address in range(1, 400):
                try:
                    data = await site.bus.request(modbus.read_request(1, 3, address, 1), timeout_s=0.1, quiet_s=0.1)
                except modbus.ModbusError:
                    await asyncio.sleep(0.3)
                    continue
                right += data == address.to_bytes(2, "big")
                wrong += data != address.to_bytes(2, "big")
        assert wrong == 0
        assert right > 350

    run(main)


# ---- the site file


SITE = """
[site]
name = "site-7.example.org"
[[bus]]
name = "line"
endpoint = "{endpoint}"
{keys}
[[bus.device]]
name = "meter"
unit = {unit}
profile = "eastron-sdm630"
"""


def site_file(tmp_path: Path, endpoint: str, unit: int, keys: str = "") -> config.SiteFile:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(endpoint=endpoint, unit=unit, keys=keys))
    return config.load(path)


def test_the_site_file_names_what_a_line_needs(tmp_path: Path) -> None:
    keys = "connect_delay_ms = 2000\npause_ms = 25\nany_transaction = true\nanswers_as_unit_0 = true"
    site = site_file(tmp_path, "tcp://127.0.0.1:502", 0, keys)
    assert site.bus[0].manners == Manners(2000, 25, True, True)
    for unit in (0, 255):
        site_file(tmp_path, "tcp://127.0.0.1:502", unit)
    for endpoint in ("rtu:///dev/ttyUSB0", "rtu+tcp://127.0.0.1:502"):
        with pytest.raises(config.SiteFileError, match="meter is unit 0, which all hear and none answers"):
            site_file(tmp_path, endpoint, 0)
        with pytest.raises(config.SiteFileError, match="any_transaction is for Modbus/TCP only"):
            site_file(tmp_path, endpoint, 1, "any_transaction = true")
