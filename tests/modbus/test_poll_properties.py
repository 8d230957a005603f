"""A device that fails in any way: a reading of each channel in every poll, right or bad, all good when it is well."""

import sys
from pathlib import Path

from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside_wire import modbus
from wayside_wire.pack import BAD, GOOD

sys.path.append(str(Path(__file__).parents[1] / "node"))
from test_node_poll import SERIAL, Device, field

KINDS = [
    (modbus.TIMEOUT, 0),
    (modbus.CRC, 0),
    (modbus.LINK, 0),
    *((modbus.EXCEPTION, code) for code in (1, 2, 3, 4, 5, 6, 10, 11, 99)),
]
ADDRESSES = (0, 1, 2, 3, 9, 20, 21, 40, 41, 300, 301, 500)
FIELDS = [field(f"f{address}", address) for address in ADDRESSES]
WRONG = st.dictionaries(st.sampled_from((*ADDRESSES, 10, 30, SERIAL.address)), st.sampled_from(KINDS), max_size=14)


def is_right(readings) -> bool:
    return all(
        (each.quality == GOOD and each.mantissa == int(each.channel[1:])) or (each.quality == BAD and each.reason)
        for each in readings.values()
    )


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(st.tuples(WRONG, st.integers(1, 12)), min_size=1, max_size=8),
    st.sampled_from([1, 10, 128]),
    st.integers(0, 3),
    st.sampled_from([100, 1000, 60_000, 900_000]),
)
def test_whatever_fails(course, cost: int, retries: int, interval_ms: int):
    device = Device(FIELDS, SERIAL, cost=cost, retries=retries, interval_ms=interval_ms)
    for wrong, polls in course:
        device.wrong = wrong
        for _ in range(polls):
            readings = device.run()
            assert len(readings) == len(FIELDS) and is_right(readings)
            bare = [one for one in device.read if not set(range(one[0], sum(one))) & set(wrong)]
            if bare and not any(kind == modbus.LINK for kind, _ in wrong.values()):
                # What was asked and did not fail is good.
                good = {each.channel for each in readings.values() if each.quality == GOOD}
                assert {f"f{at}" for one in bare for at in range(one[0], sum(one)) if at in ADDRESSES} <= good
    device.wrong = {}
    before = device.now
    while any(each.quality == BAD for each in device.run().values()):
        assert device.now - before < 2 * 3_600_000 + 20 * interval_ms
    device.run(70 if interval_ms < 60_000 else 5)
    assert not device.poll.unreachable


@settings(max_examples=examples(60), deadline=None)
@given(st.sets(st.sampled_from(ADDRESSES), min_size=1, max_size=4), st.sampled_from(KINDS), st.sampled_from([10, 128]))
def test_a_part_that_never_answers_costs_its_own_channels_only(missing, kind, cost: int):
    if kind[0] == modbus.LINK:
        return
    device = Device(FIELDS, None, cost=cost)
    device.wrong = dict.fromkeys(missing, kind)
    device.run(200)
    good = {name for name, each in device.run().items() if each.quality == GOOD}
    if kind[1] not in (5, 6, 10, 11) and good:  # these are cut down to the very registers
        assert good == {f"f{at}" for at in ADDRESSES if at not in missing}
    requests = 0
    for _ in range(60):
        device.run()
        requests += len(device.asked)
    assert requests <= 60 * (len(ADDRESSES) + 1)
