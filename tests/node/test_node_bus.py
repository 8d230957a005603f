"""The bus: a right value or none, whatever the line does."""

import asyncio
import random

from fakes import EndlessPort, Port, Time
from faulty_line import FAULTS, FaultyLine, Timing, registers
from wayside_node.bus import MeterBus, gap_ms
from wayside_wire import modbus
from wayside_wire.modbus import ModbusError
from wayside_wire.modbus_rtu_guard import RtuGuard

BAUD = 9600
TIMEOUT_MS = Timing.timeout // 1000
QUIET_MS = Timing.quiet // 1000


class Wire(Port):
    """A port whose other end is a FaultyLine."""

    def __init__(self, time, below):
        super().__init__()
        self.time = time
        self.line = FaultyLine(below)
        self.fault = ""
        self.request = None  # (time_ms, body) of the last one

    def readinto(self, buffer):
        for _, data in self.line.take(self.time.at_ms * 1000):
            self.put(data)
        return super().readinto(buffer)

    def write(self, data):
        body = modbus.rtu_body(data)
        self.request = (self.time.at_ms, body)
        self.line.transmit(body, self.time.at_ms * 1000, self.fault)
        return len(data)


class Bench:
    def __init__(self, seed=1):
        random.seed(seed)
        self.time = Time()
        self.wire = Wire(self.time, below)
        self.bus = MeterBus(BAUD, self.time.clock())
        self.bus.attach(self.wire)

    async def read(self, unit, address, count, fault="", function=4):
        self.wire.fault = fault
        return await self.bus.read(unit, function, address, count, TIMEOUT_MS, QUIET_MS)

    def right(self, data, unit, address, count, function=4):
        request = modbus.read_request(unit, function, address, count)
        return data == registers(self.wire.line.number, request)


def below(limit):
    return random.getrandbits(24) % limit


async def refused(awaitable):
    try:
        await awaitable
    except ModbusError as error:
        return error
    raise AssertionError("an answer was taken")


def test_the_gap_is_three_and_a_half_characters():
    assert gap_ms(9600) == 6  # 4.01 ms, rounded up, and a tick
    assert gap_ms(9600, 10) == 5  # 3.65 ms
    assert gap_ms(1200) == 34
    assert gap_ms(115200) == 3


def test_a_healthy_line():
    async def main():
        bench = Bench()
        for address in range(0, 200, 10):
            assert bench.right(await bench.read(1, address, 10), 1, address, 10)
        assert bench.bus.guard.counts == {}
        assert not bench.bus.lock.locked()

    asyncio.run(main())


def test_a_line_that_needs_a_pause_gets_it_before_every_request():
    """Whoever was asked before: some meters are put off by what others on the line are asked."""

    async def main():
        for pause_ms in (0, 50, 5000):
            bench = Bench()
            bench.bus = MeterBus(BAUD, bench.time.clock(), pause_ms=pause_ms)
            bench.bus.attach(bench.wire)
            for unit in (1, 2, 3):
                heard_at = bench.time.at_ms
                assert bench.right(await bench.read(unit, 0, 4), unit, 0, 4)
                silence_ms = bench.wire.request[0] - heard_at + gap_ms(BAUD)
                assert unit == 1 or max(pause_ms, gap_ms(BAUD)) <= silence_ms <= pause_ms + 20

    asyncio.run(main())


def test_every_fault_is_refused_and_the_next_read_is_right():
    async def main():
        for fault in FAULTS:
            if fault in ("cancelled", "before", "behind", "echo", "doubled") or "late" in fault:
                continue
            bench = Bench()
            error = await refused(bench.read(2, 40, 4, fault))
            assert error.kind, fault
            assert bench.right(await bench.read(2, 80, 4), 2, 80, 4), fault

    asyncio.run(main())


def test_echoes_and_stray_bytes_are_skipped():
    async def main():
        for fault in ("before", "behind", "echo"):
            bench = Bench()
            assert bench.right(await bench.read(1, 0, 6, fault), 1, 0, 6)
            assert list(bench.bus.guard.counts) == ["echo" if fault == "echo" else "stray"]

    asyncio.run(main())


def test_after_a_timeout_what_looks_different_is_asked_first():
    async def main():
        bench = Bench()
        sent = []
        write = bench.wire.write
        bench.wire.write = lambda data: sent.append(data[:6]) or write(data)
        bench.right(await bench.read(1, 0, 2), 1, 0, 2)
        bench.right(await bench.read(1, 50, 4), 1, 50, 4)
        await refused(bench.read(1, 100, 4, "lost"))
        del sent[:]
        assert bench.right(await bench.read(1, 200, 4), 1, 200, 4)
        assert sent == [modbus.read_request(1, 4, 0, 2), modbus.read_request(1, 4, 200, 4)]

    asyncio.run(main())


def test_a_late_answer_is_not_the_next_requests():
    async def main():
        for seed in range(40):
            bench = Bench(seed)
            try:
                data = await bench.read(1, 0, 2, "late")
                assert bench.right(data, 1, 0, 2)
            except ModbusError:
                pass
            assert bench.right(await bench.read(1, 50, 2), 1, 50, 2)

    asyncio.run(main())


def test_the_line_is_quiet_after_a_timeout():
    async def main():
        bench = Bench()
        await refused(bench.read(1, 0, 2, "lost"))
        ended = bench.time.at_ms
        await bench.read(1, 0, 2)
        assert bench.wire.request[0] >= ended + QUIET_MS

    asyncio.run(main())


def test_a_cancelled_read_frees_the_bus_and_dirties_the_line():
    async def main():
        bench = Bench()
        bench.wire.fault = "late"
        task = asyncio.create_task(bench.read(1, 0, 2, "late"))
        while not bench.wire.request:
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        assert not bench.bus.lock.locked()
        began = bench.time.at_ms
        assert bench.right(await bench.read(1, 50, 2), 1, 50, 2)
        assert bench.wire.request[0] >= began + QUIET_MS

    asyncio.run(main())


def test_an_oversize_answer_is_refused():
    async def main():
        bench = Bench()
        bench.wire.write = lambda data: bench.wire.put(bytes([1, 4]) + bytes(2000)) or len(data)
        await refused(bench.read(1, 0, 2))
        bench.wire.waiting = bytearray()
        del bench.wire.write
        assert bench.right(await bench.read(1, 50, 2), 1, 50, 2)

    asyncio.run(main())


def test_a_port_that_takes_nothing_is_no_link():
    async def main():
        bench = Bench()
        bench.wire.write = lambda data: None
        assert (await refused(bench.read(1, 0, 2))).kind == modbus.LINK
        assert not bench.bus.lock.locked()

    asyncio.run(main())


def test_a_port_that_fails_leaves_the_bus_usable():
    async def main():
        bench = Bench()

        def broken(buffer):
            if bench.wire.request:
                raise OSError(5)

        bench.wire.readinto = broken
        try:
            await bench.read(1, 0, 2)
            raise AssertionError("a broken port answered")
        except OSError:
            pass
        assert not bench.bus.lock.locked()
        del bench.wire.readinto
        assert bench.right(await bench.read(1, 50, 2), 1, 50, 2)

    asyncio.run(main())


def test_the_driver_is_on_while_the_request_is_sent():
    async def main():
        bench = Bench()
        seen = []
        bus = MeterBus(BAUD, bench.time.clock(), lambda on: seen.append(("drive", on, bench.time.at_ms)))
        bus.attach(bench.wire)
        bench.wire.flush = lambda: seen.append(("flush", None, bench.time.at_ms))
        await bus.read(1, 4, 0, 2, TIMEOUT_MS, QUIET_MS)
        assert [what for what, _, _ in seen] == ["drive", "flush", "drive"]
        assert seen[0][1] is True and seen[2][1] is False
        # No other task between: the line is free as soon as the last bit is out.
        assert seen[0][2] == seen[1][2] == seen[2][2]

    asyncio.run(main())


def test_a_line_that_is_never_silent_fails_the_read():
    async def main():
        bench = Bench()
        assert await bench.read(1, 0, 10)
        noise = bench.time.hooks
        noise.append(lambda _: bench.wire.put(b"\x5a"))
        for longest_ms in (4000, 20):  # once seen, nobody waits for it again
            began = bench.time.at_ms
            error = await refused(bench.read(1, 0, 10))
            assert error.kind == error.text == "line never silent"
            assert bench.time.at_ms - began < longest_ms
        noise.clear()
        bench.time.advance(1000)
        assert bench.right(await bench.read(1, 0, 10), 1, 0, 10)

    asyncio.run(main())


def test_a_line_without_end_fails_the_read_and_lets_the_others_run():
    async def main():
        for babble in (b"\0", b"\xff", b"\x55", b"\x01\x04\x14", bytes(range(256))):
            time = Time()
            port = EndlessPort(babble)
            bus = MeterBus(BAUD, time.clock())
            bus.attach(port)

            def pause(_, port=port):
                port.looks = 0

            time.hooks.append(pause)
            others = []

            async def other(time=time, others=others):
                while True:
                    others.append(time.at_ms)
                    await time.sleep_ms(1)

            running = asyncio.create_task(other())
            for _ in range(3):
                error = await refused(bus.read(1, 4, 0, 10, TIMEOUT_MS, QUIET_MS))
                assert error.kind == "line never silent", error.kind
            running.cancel()
            assert time.at_ms < 5000 and len(others) > 100 and not port.written

    asyncio.run(main())


def test_a_read_beats_while_it_waits():
    async def main():
        bench = Bench()
        last, longest = 0, 0

        def beat():
            nonlocal last, longest
            last, longest = bench.time.at_ms, max(longest, bench.time.at_ms - last)

        bench.bus.attach(bench.wire, beat)
        for _ in range(3):  # a meter that is silent, and may take ten seconds for that
            bench.wire.fault = "lost"
            await refused(bench.bus.read(1, 4, 0, 10, 10000, 10000))
        assert bench.time.at_ms > 30000 and longest < 100

    asyncio.run(main())


def test_the_lock_is_held_from_the_first_byte_to_the_end_of_the_answer():
    async def main():
        bench = Bench()
        held = []
        bench.time.hooks.append(lambda _: held.append(bench.bus.lock.locked()))
        await bench.read(1, 0, 10)
        assert held and all(held)

    asyncio.run(main())


async def _long_run(exchanges, seed):
    bench = Bench(seed)
    right = wrong = 0
    for _ in range(exchanges):
        unit, function, address, count = 1 + below(3), 3 + below(2), below(200), 2 + 2 * below(2)
        fault = FAULTS[below(len(FAULTS) - 1)]  # without "cancelled", which the test above shows
        try:
            data = await bench.read(unit, address, count, fault, function)
        except ModbusError:
            await bench.time.sleep_ms(300)  # as a meter that does not answer is left alone
            continue
        if bench.right(data, unit, address, count, function):
            right += 1
        else:
            wrong += 1
    return right, wrong


def test_thousands_of_faulted_reads_give_no_wrong_value():
    right, wrong = asyncio.run(_long_run(2000, 7))
    assert wrong == 0
    assert right > 200


class Careless(RtuGuard):
    """A guard that does not keep the line quiet after something odd."""

    def _hush(self, now, quiet):
        pass


def test_without_the_guards_silence_wrong_values_come_through():
    async def main():
        bench = Bench(7)
        bench.bus.guard = Careless(gap_ms(BAUD), 0)
        wrong = 0
        for _ in range(2000):
            address = below(200)
            try:
                data = await bench.read(1, address, 4, ("late", "doubled")[below(2)])
            except ModbusError:
                continue
            wrong += not bench.right(data, 1, address, 4)
        assert wrong > 0

    asyncio.run(main())
