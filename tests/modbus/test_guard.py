"""No answer is ever taken for another's: the guard on a line where everything goes wrong."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus import faulty_line
from wayside_wire import modbus
from wayside_wire.modbus_guard import RtuGuard

TIMING = faulty_line.Timing


def guard() -> RtuGuard:
    return RtuGuard(TIMING.gap, TIMING.repeat, TIMING.character)


def test_a_million_faulted_transactions() -> None:
    account = faulty_line.run(guard(), random.Random(2026).randrange, 1_000_000)
    assert account.wrong == 0
    assert account.right > 150_000, "doubled, turnaround zeros and healthy ones in between must still be read"
    assert account.right + account.refused == 1_000_000


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
                self._end(now)
                return body[3:-2]
        data: bytes | None = super().poll(now)
        return data


@pytest.mark.parametrize("mutant", [NoQuiet, NoRepeat, NoSilence, NoShape])
def test_without_one_of_its_rules_there_are_wrong_values(mutant: type[RtuGuard]) -> None:
    broken = mutant(TIMING.gap, TIMING.repeat, TIMING.character)
    account = faulty_line.run(broken, random.Random(7).randrange, 30_000, 30)
    assert account.wrong > 0


REQUESTS = st.builds(
    modbus.read_request, st.integers(1, 3), st.sampled_from((3, 4)), st.integers(0, 300), st.integers(1, 6)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(REQUESTS, st.sampled_from(("", *faulty_line.FAULTS))), max_size=12), st.randoms())
def test_any_sequence_of_faults(steps: list[tuple[bytes, str]], source: random.Random) -> None:
    line = faulty_line.FaultyLine(source.randrange)
    master = faulty_line.Master(guard(), line)
    for request, fault in steps:
        try:
            data = master.exchange(request, fault)
        except modbus.ModbusError as error:
            assert fault != "" or error.kind != modbus.EXCEPTION
        else:
            assert data == faulty_line.registers(line.number, request)
