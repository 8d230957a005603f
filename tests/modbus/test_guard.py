"""No answer is ever taken for another's: the guard on a line where everything goes wrong."""

import itertools
import random
from collections.abc import Callable

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus import faulty_line
from wayside_wire import modbus
from wayside_wire.modbus import ModbusError, read_request
from wayside_wire.modbus_rtu_guard import RtuGuard
from wayside_wire.modbus_tcp_guard import TcpGuard

TIMING = faulty_line.Timing


def guard() -> RtuGuard:
    return RtuGuard(TIMING.gap, TIMING.repeat, TIMING.character)


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("shapes", "answers"), [(4, (1, 2, 3, 4)), (2, (1, 2, 3, 4)), (1, (1, 2, 3, 4)), (4, (3, 4)), (1, (4,))]
)
def test_a_million_faulted_transactions(share: Callable[[int, int], int], shapes: int, answers: tuple[int]) -> None:
    exchanges = share(3_000, 100_000)
    for fault_share in (100, 30):
        source = random.Random(2026 + fault_share)
        account = faulty_line.run(guard(), source.randrange, exchanges, fault_share, shapes=shapes, answers=answers)
        assert account.wrong == 0
        assert account.right + account.refused + account.exceptions == exchanges
        # Doubled, echoed, with bytes before or behind, and healthy ones in between must still be read.
        assert account.right > exchanges * (2 if fault_share == 100 else 35) // 100


def test_a_healthy_line_is_read_without_loss() -> None:
    account = faulty_line.run(guard(), random.Random(1).randrange, 2000, fault_share=0)
    assert (account.right, account.wrong, account.refused) == (2000, 0, 0)


class NoQuiet(RtuGuard):
    """Sends the next request when the line is silent, as every library tried does."""

    def ready_at(self, request: bytes, now: int) -> int:
        return now if self._last_byte is None else max(now, self._last_byte + self.gap)


class NoRepeat(RtuGuard):
    """Does not reckon with second copies."""

    def __init__(self, gap: int, repeat: int, character: int):
        super().__init__(gap, -gap)


class NoSilence(RtuGuard):
    """Takes an answer without listening whether more follows, and does not mind what comes unasked."""

    def __init__(self, gap: int, repeat: int, character: int):
        super().__init__(0, repeat, character)

    def _unasked(self, data: bytes, now: int) -> None:
        pass


class NoShape(RtuGuard):
    """Looks at the unit only, and takes the registers that are there."""

    def poll(self, now: int) -> bytes | None:
        buffer = self._buffer
        if len(buffer) > 4 and buffer[0] == self._request[0] and len(buffer) >= buffer[2] + 5:
            body = bytes(buffer[: buffer[2] + 5])
            if not modbus.crc16(body):
                self._end(False, True, now)
                return body[3:-2]
        data: bytes | None = super().poll(now)
        return data


class NoDoubt(RtuGuard):
    """Takes it that an answer never comes later than timeout and quiet time."""

    def _doubt(self, request: bytes, now: int) -> None:
        pass


class NoDoubtOfExceptions(RtuGuard):
    """Takes every exception for that of the request in flight."""

    def _is_function_doubtful(self, now: int) -> bool:
        return False


class NoSecondException(RtuGuard):
    """Waits for second copies of answers, and not of exceptions."""

    def _end(self, by_exception: bool, by_device: bool, now: int) -> None:
        super()._end(by_exception, by_device, now)
        if by_exception:
            self._recent.pop()


MUTANTS = [NoQuiet, NoRepeat, NoSilence, NoShape, NoDoubt, NoDoubtOfExceptions, NoSecondException]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_one_of_its_rules_there_are_wrong_values(mutant: type[RtuGuard]) -> None:
    for seed in range(20):
        broken = mutant(TIMING.gap, TIMING.repeat, TIMING.character)
        if faulty_line.run(broken, random.Random(seed).randrange, 3_000, 30).wrong:
            return
    raise AssertionError("nobody would miss this rule")


REQUESTS = st.builds(
    modbus.read_request, st.integers(1, 3), st.sampled_from((3, 4)), st.integers(0, 300), st.integers(1, 6)
)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(REQUESTS, st.sampled_from(("", *faulty_line.FAULTS))), max_size=12), st.randoms())
def test_any_sequence_of_faults(steps: list[tuple[bytes, str]], source: random.Random) -> None:
    line = faulty_line.FaultyLine(source.randrange)
    master = faulty_line.Master(guard(), line)
    for request, fault in steps:
        try:
            data = master.exchange(request, lambda fault=fault: fault)
        except modbus.ModbusError as error:
            assert error.kind != modbus.EXCEPTION or line.body[1:] == bytes((line.body[1] | 0x80, error.code))
        else:
            assert data == faulty_line.registers(line.number, request)


# Two blocks of one length and one of another, and an answer that comes after the next request has gone out.
EIGHTEEN, SEVENTY, OTHER = (modbus.read_request(1, 4, at, count) for at, count in ((0, 18), (30, 70), (342, 18)))


class Line:
    """A guard by hand: time in microseconds, answers when the test says so."""

    def __init__(self) -> None:
        self.guard = guard()
        self.now = 0

    def ask(self, request: bytes) -> bytes:
        """The request that goes out: this one or its fence."""
        sent = self.guard.fence(request, self.now) or request
        self.now = self.guard.ready_at(sent, self.now)
        self.guard.begin(sent, self.now, self.now + 60_000, 60_000)
        return sent

    def hear(self, body: bytes) -> bytes | None:
        self.raw(modbus.rtu_frame(body))
        self.now += TIMING.gap
        return self.guard.poll(self.now) if self.guard.busy else None

    def raw(self, data: bytes) -> None:
        self.now += 10_000
        self.guard.feed(data, self.now)

    def time_out(self) -> None:
        self.now = self.guard.next_check()
        with pytest.raises(modbus.ModbusError, match="timeout"):
            self.guard.poll(self.now)


def test_an_answer_of_one_shape_is_not_that_of_the_next_block() -> None:
    line = Line()
    for request in (SEVENTY, EIGHTEEN):
        line.ask(request)
        assert line.hear(faulty_line.answer_body(1, request)) == faulty_line.registers(1, request)
    line.ask(EIGHTEEN)
    line.time_out()
    # Neither it nor what looks like it: first what is known to be answered, and looks different.
    assert line.ask(OTHER) == SEVENTY
    # The late one comes in place of its answer: nothing is taken, and now that is in doubt as well.
    with pytest.raises(modbus.ModbusError, match="36 bytes of data, 140 were asked"):
        line.hear(faulty_line.answer_body(2, EIGHTEEN))
    assert line.ask(OTHER) == modbus.read_request(1, 4, 342, 16)
    line.hear(faulty_line.answer_body(3, modbus.read_request(1, 4, 342, 16)))
    assert line.ask(OTHER) == OTHER
    assert line.hear(faulty_line.answer_body(4, OTHER)) == faulty_line.registers(4, OTHER)


def test_a_device_of_one_register_is_asked_for_what_it_refuses() -> None:
    line = Line()
    request = modbus.read_request(1, 4, 0, 1)
    line.ask(request)
    line.time_out()
    assert line.ask(request) == modbus.read_request(1, 3, 0, 1)
    with pytest.raises(modbus.ModbusError, match="exception 1"):
        line.hear(b"\x01\x83\x01")
    assert line.ask(request) == request


def test_a_device_that_answers_no_fence_is_left_alone_until_no_answer_can_come() -> None:
    line = Line()
    request = modbus.read_request(1, 4, 0, 1)
    for _ in range(6):
        line.ask(request)
        line.time_out()
    with pytest.raises(modbus.ModbusError, match="answers to earlier requests may still come"):
        line.ask(request)
    line.now += 40 * 120_000
    assert line.ask(request) == request


def test_fences_that_are_never_answered_are_asked_one_for_each_doubt() -> None:
    line = Line()
    request = modbus.read_request(1, 4, 0, 1)
    asked: list[list[bytes]] = []
    for _ in range(4):
        asked.append([])
        line.ask(request)
        line.time_out()
        with pytest.raises(modbus.ModbusError, match="answers to earlier requests may still come"):
            while True:
                asked[-1].append(line.ask(request))
                line.time_out()
        line.now += 40 * 120_000
        assert line.ask(request) == request
        line.hear(faulty_line.answer_body(1, request))
        line.now += 1_000_000
    assert [len(fences) for fences in asked] == [5, 1, 1, 1]
    assert len({fences[0] for fences in asked[1:]}) == 3
    # One that is answered, if only by a refusal, ends the doubt, and all are worth asking again.
    line.ask(request)
    line.time_out()
    fence = line.ask(request)
    with pytest.raises(modbus.ModbusError, match="exception 1"):
        line.hear(bytes((1, fence[1] | 0x80, 1)))
    assert line.ask(request) == request


def test_a_late_exception_refuses_nothing_else() -> None:
    line = Line()
    line.ask(SEVENTY)
    line.time_out()
    line.ask(OTHER)
    with pytest.raises(modbus.ModbusError, match="or that of an earlier request") as caught:
        line.hear(b"\x01\x84\x02")
    assert caught.value.kind == modbus.DOUBTFUL


def test_a_new_connection_ends_no_doubt() -> None:
    line = Line()
    line.ask(EIGHTEEN)
    line.time_out()
    line.guard.reset()
    assert line.ask(OTHER) != OTHER
    with pytest.raises(ValueError, match="a request is in flight"):
        line.guard.begin(OTHER, line.now, line.now + 1, 1)


def test_a_doubtful_read_cannot_be_sent() -> None:
    line = Line()
    line.ask(EIGHTEEN)
    line.time_out()
    line.now += 200_000
    with pytest.raises(ValueError, match="ask the fence first"):
        line.guard.begin(OTHER, line.now, line.now + 1, 1)


READ = modbus.read_request(1, 3, 0x0400, 2)  # its echo begins like the answer of two registers
ANSWER = modbus.rtu_frame(b"\x01\x03\x04\x12\x34\x56\x78")
ECHO = modbus.rtu_frame(READ)


@pytest.mark.parametrize(
    ("pieces", "counts"),
    [
        ([ANSWER + b"\x00"], {"stray": 1}),
        ([ANSWER, b"\xff\xfe\x80"], {"stray": 1}),
        ([b"\xff", ANSWER], {"stray": 1}),
        ([b"\xff" + ANSWER], {"stray": 1}),
        ([b"\x00\xf8\xff" + ANSWER], {"stray": 3}),
        ([ECHO + ANSWER], {"echo": 1}),
        ([ECHO[:3], ECHO[3:], ANSWER], {"echo": 1}),
        ([ECHO, b"\x00" + ANSWER + b"\x00"], {"echo": 1, "stray": 2}),
        ([b"\xff" + ECHO + ANSWER], {"echo": 1, "stray": 1}),
    ],
)
def test_strays_and_echoes_are_skipped(pieces: list[bytes], counts: dict[str, int]) -> None:
    line = Line()
    line.ask(READ)
    for piece in pieces:
        assert line.guard.poll(line.now) is None
        line.guard.feed(piece, line.now)
    assert line.guard.poll(line.now) is None
    line.now += TIMING.gap
    assert line.guard.poll(line.now) == b"\x12\x34\x56\x78"
    assert line.guard.counts == counts
    assert line.guard.echoes == ("echo" in counts)


@pytest.mark.parametrize(
    "heard",
    [
        ECHO,
        # The CRC over a frame is zero, and over a zero behind it as well: nine bytes that look like an answer.
        ECHO + b"\x00",
        b"\x00\x00\x00\x00" + ANSWER,
        b"\xaa" + ANSWER,
        ANSWER + b"\x01",
        ANSWER + b"\x00\x00\x00\x00",
        ECHO + ANSWER[:-1],
        ECHO + ANSWER + ANSWER,
    ],
)
def test_what_else_is_heard_is_no_answer(heard: bytes) -> None:
    line = Line()
    line.ask(READ)
    line.guard.feed(heard, line.now)
    with pytest.raises(modbus.ModbusError):
        while line.guard.poll(line.now) is None:
            line.now = line.guard.next_check()


def test_the_echo_of_a_read_of_bits_is_not_its_answer() -> None:
    line = Line()
    # Three bytes of bits from 0x03xx: request and answer have the same length and the same first three bytes.
    line.ask(modbus.read_request(1, 1, 0x0311, 20))
    line.guard.feed(modbus.rtu_frame(modbus.read_request(1, 1, 0x0311, 20)), line.now)
    line.time_out()


def test_an_echo_acknowledges_no_write() -> None:
    line = Line()
    line.ask(READ)
    line.raw(ECHO)
    assert line.hear(ANSWER[:-2]) == b"\x12\x34\x56\x78"
    write = modbus.write_one_request(1, 7, b"\x00\x01")
    line.ask(write)
    line.raw(modbus.rtu_frame(write))
    line.time_out()
    line.ask(write)
    line.raw(modbus.rtu_frame(write))
    with pytest.raises(modbus.ModbusError, match="the acknowledgement may be an earlier one's"):
        line.hear(write)


def test_a_foreign_frame_that_begins_with_pulses_has_no_right_crc_behind_them() -> None:
    # The CRC of the rest of a frame is right only where that of its head is the standard's start value.
    for size in (1, 2, 3):
        for head in itertools.product(faulty_line.PULSES, repeat=size):
            assert modbus.crc16(head) != 0xFFFF


def test_another_master_on_the_line() -> None:
    """Or an adapter that gives every client the answers to all: what looks like another's may be another's."""
    line = Line()
    line.ask(EIGHTEEN)
    assert line.hear(faulty_line.answer_body(1, EIGHTEEN)) == faulty_line.registers(1, EIGHTEEN)
    line.now += 1_000_000
    answer = modbus.rtu_frame(faulty_line.answer_body(2, OTHER))
    for at in range(len(answer)):  # a line gives them one by one
        line.now += 1_000
        line.guard.feed(answer[at : at + 1], line.now)
    line.now += 1_000_000
    line.ask(SEVENTY)
    assert line.hear(faulty_line.answer_body(3, SEVENTY)) == faulty_line.registers(3, SEVENTY)
    line.ask(EIGHTEEN)
    with pytest.raises(modbus.ModbusError, match="another master on the line") as caught:
        line.hear(faulty_line.answer_body(4, EIGHTEEN))
    assert caught.value.kind == modbus.DOUBTFUL
    # It goes away.
    line.now += 41 * 120_000
    line.ask(EIGHTEEN)
    assert line.hear(faulty_line.answer_body(5, EIGHTEEN)) == faulty_line.registers(5, EIGHTEEN)


def test_another_master_that_asks_seldom_is_remembered_for_three_of_its_pauses() -> None:
    line = Line()
    pause = 600_000_000  # ten minutes, where 40 longest answer times are 5 s
    line.ask(EIGHTEEN)
    assert line.hear(faulty_line.answer_body(1, EIGHTEEN))
    for number in range(2):
        line.now += pause
        line.raw(modbus.rtu_frame(faulty_line.answer_body(10 + number, OTHER)))
    line.now += 2 * pause
    line.ask(EIGHTEEN)
    with pytest.raises(modbus.ModbusError, match="another master on the line"):
        line.hear(faulty_line.answer_body(3, EIGHTEEN))
    line.now += 2 * pause
    line.ask(EIGHTEEN)
    assert line.hear(faulty_line.answer_body(4, EIGHTEEN)) == faulty_line.registers(4, EIGHTEEN)


def test_an_answer_said_once_more_long_after_it_is_no_other_masters() -> None:
    line = Line()
    answer = faulty_line.answer_body(1, EIGHTEEN)
    line.ask(EIGHTEEN)
    assert line.hear(answer)
    line.now += 90_000  # a second copy is reckoned with for some 10 ms
    line.raw(modbus.rtu_frame(answer))
    line.now += 1_000_000
    line.ask(EIGHTEEN)
    assert line.hear(faulty_line.answer_body(2, EIGHTEEN)) == faulty_line.registers(2, EIGHTEEN)


def test_over_tcp_what_one_unit_may_still_answer_is_in_doubt_for_the_others() -> None:
    """Some gateways give what the serial line says late the number and the unit of the newest request."""
    line = TcpGuard()
    for unit in (1, 2):
        line.begin(read_request(unit, 3, 0, 2), 0, 1000, 1000)
        line.feed(bytes((0, unit, 0, 0, 0, 7, unit, 3, 4, 0, 0, 0, unit)), 0)
        assert line.poll(0) == bytes((0, 0, 0, unit))
    line.begin(read_request(1, 3, 10, 2), 10, 1000, 1000)
    line.abandon("timeout", 1010)
    assert line.fence(read_request(2, 3, 10, 3), 2020) is None, "another shape"
    with pytest.raises(ModbusError, match="another unit"):
        line.fence(read_request(2, 3, 10, 2), 2020)
    assert line.broken, "a new connection is what helps"
    line.reset()
    assert line.fence(read_request(2, 3, 10, 2), 2020) is None


@pytest.mark.parametrize("unit_0", [False, True])
def test_over_tcp_without_numbers_or_units_a_fence_of_any_unit_ends_the_doubts_of_all(unit_0: bool) -> None:
    line = TcpGuard(any_transaction=not unit_0, unit_0=unit_0)
    line.begin(read_request(2, 3, 0, 5), 0, 1000, 1000)
    line.feed(bytes((0, 1, 0, 0, 0, 13, 0 if unit_0 else 2, 3, 10, *bytes(10))), 0)
    line.poll(0)
    line.begin(read_request(1, 3, 10, 2), 10, 1000, 1000)
    line.abandon("timeout", 1010)
    fence = line.fence(read_request(2, 3, 10, 2), 5000)
    assert fence == read_request(2, 3, 0, 5)
    line.begin(fence, 5000, 6000, 1000)
    line.feed(bytes((0, 3, 0, 0, 0, 13, 0 if unit_0 else 2, 3, 10, *bytes(10))), 5000)
    line.poll(5000)
    assert line.fence(read_request(2, 3, 10, 2), 5000) is None
