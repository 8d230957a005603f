"""Settlement of packs that hold several registers, each with its own time: nothing is paid twice, nor over an event."""

from collections.abc import Callable

import pytest
from evidence.site_log import DEVICE, NODE, START_MS, STREAM, SiteLog
from evidence.test_settlement import CHANNEL, GATEWAY, account, reasons, rises
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.finding import SHOWN
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY_ATTESTED, DeviceBody
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import NO_PREVIOUS, SYNCED, UNSYNCED, Pack, Reading, pack_hash, sign_pack

OTHER = SoftwareKey(b"2" * 32)
Register = tuple[int, int]
"""kWh, and seconds from the log's beginning."""


class Meter:
    """Makes packs of one key's chain, each of any registers."""

    def __init__(self, log: SiteLog, key: SoftwareKey = NODE, attested: str = DEVICE_ATTESTED, clock: int = SYNCED):
        self.log, self.key, self.attested, self.clock = log, key, attested, clock
        self.sequence, self.previous = 0, NO_PREVIOUS

    def make(self, *registers: Register) -> bytes:
        readings = tuple(Reading(CHANNEL, "J", 36 * kwh, 5, 0, "", START_MS + 1000 * at) for kwh, at in registers)
        place = Pack(DEVICE, 1, self.sequence, self.clock, self.previous, readings)
        raw: bytes = sign_pack(place, self.key.kid, self.key.sign)
        self.sequence, self.previous = self.sequence + 1, pack_hash(raw)
        return raw

    def put(self, *registers: Register) -> None:
        self.log.add_pack(self.make(*registers), attested=self.attested)


def with_both_keys() -> SiteLog:
    log = SiteLog()
    log.add_key()
    log.add_key(key=GATEWAY, role="gateway")
    return log


@pytest.mark.parametrize("before", [(), ((1009, -1900),)])
def test_an_event_between_two_registers_of_one_pack_ends_the_stretch(before: tuple[Register, ...]):
    log = SiteLog()
    log.add_key()
    node = Meter(log)
    node.put((1000, -3600), *before)
    log.add(STREAM, DeviceBody("replaced", "meter replaced", None))  # one minute per entry: 120 s from the beginning
    node.put((1010, 0), (51_020, 7200))
    found = account(log)
    assert max(map(float, rises(found))) <= 9 and "replaced" in found.breaks[-1].reasons[0]


def test_a_key_entry_between_the_times_of_two_registers_ends_the_stretch():
    """Who changes a meter behind a node, and the node's profile, may get the node's packs of that hour later."""
    log = SiteLog()
    log.add_key()
    log.add_key(profiles={DEVICE: "another meter"})  # 60 s from the beginning
    node = Meter(log)
    node.put((1000, -60))
    node.put((1010, 0))
    node.put((51_020, 120))
    found = account(log)
    assert rises(found) == ["10", "0"] and "key" in reasons(found)


@pytest.mark.parametrize("packs", [(), ((5, 900),)])
def test_where_another_key_begins_the_stretch_of_the_one_before_ends(packs: tuple[Register, ...]):
    """Also when it signs something later: a board and its meter were replaced, and the old board's packs came after."""
    log = SiteLog()
    log.add_key()
    node = Meter(log)
    late = [node.make((1000, 10)), node.make((51_020, 110))]
    log.add_key(key=OTHER)  # 60 s from the beginning
    for raw in late:
        log.add_pack(raw)
    for register in packs:
        Meter(log, OTHER).put(register)
    found = account(log)
    assert set(rises(found)) == {"0"} and f"key {OTHER.kid.hex()} registered" in reasons(found)


def test_what_a_key_had_read_before_it_was_registered_is_one_stretch():
    log = SiteLog()
    log.add(STREAM, DeviceBody("back", "", None))
    log.add_key()  # 60 s from the beginning
    node = Meter(log)
    for register in ((1000, 10), (1010, 110)):
        node.put(register)
    assert rises(account(log)) == ["10"]


@pytest.mark.parametrize(("clock", "event"), [(UNSYNCED, 2), (SYNCED, 0)])
def test_of_very_many_events_that_may_lie_between_the_first_are_named_and_all_are_counted(clock: int, event: int):
    """A node that never knows the time, and a year of events: each break would name all of them."""
    log = SiteLog()
    log.add_key()
    for number in range(200):
        what = "replaced" if number == 150 else "back"
        log.add_raw(STREAM, encode_unplaced(log.now(), event, DeviceBody(what, f"{number}", None)))
    node = Meter(log, clock=clock)
    for at in range(3):
        node.put((1000 + at, at))
    found = account(log)
    assert rises(found) == ["0", "0", "0"]
    for each in found.breaks:
        assert len(each.reasons) == SHOWN + 1 and each.reasons[-1].startswith(f"{200 - SHOWN} more events")


Sent = Callable[[Meter, Meter], None]


def in_one_pack(node: Meter, gateway: Meter) -> None:
    raw = node.make((1000, 0), (1010, 100))
    gateway.put((1002, 20))
    gateway.put((1008, 80))
    node.log.add_pack(raw)


def with_a_clock_that_goes_back(node: Meter, gateway: Meter) -> None:
    late = [node.make((1000, 100)), node.make((1010, 0))]
    gateway.put((1002, 20))
    gateway.put((1008, 80))
    for raw in late:
        node.log.add_pack(raw)


def without_a_clock(node: Meter, gateway: Meter) -> None:
    node.clock = UNSYNCED
    late = [node.make((1000, 0)), node.make((1010, 100))]
    gateway.put((1002, 20))
    gateway.put((1008, 80))
    for raw in late:
        node.log.add_pack(raw)


def test_a_gateway_without_a_clock_read_when_it_logged():
    log = with_both_keys()
    in_one_pack(Meter(log), Meter(log, GATEWAY, GATEWAY_ATTESTED, UNSYNCED))
    found = account(log)
    assert sum(map(float, rises(found))) == 6 and "may lie between: their time is not known" in reasons(found)


@pytest.mark.parametrize(("clock", "event"), [(UNSYNCED, 2), (SYNCED, 0)])
def test_where_a_time_is_not_known_an_event_may_lie_between(clock: int, event: int):
    log = SiteLog()
    log.add_key()
    node = Meter(log, clock=clock)
    log.add_raw(STREAM, encode_unplaced(log.now(), event, DeviceBody("replaced", "meter replaced", None)))
    node.put((1010, 0))
    node.put((51_020, 100))
    found = account(log)
    assert rises(found) == ["0", "0"] and "replaced" in reasons(found) and "not known" in reasons(found)


@pytest.mark.parametrize("send", [in_one_pack, with_a_clock_that_goes_back, without_a_clock])
def test_what_two_keys_read_at_once_is_counted_once(send: Sent):
    log = with_both_keys()
    send(Meter(log), Meter(log, GATEWAY, GATEWAY_ATTESTED))
    found = account(log)
    assert max(rises(found)) == "6" and sum(map(float, rises(found))) == 6
    assert f"packs by key {GATEWAY.kid.hex()}" in reasons(found)


def test_registers_of_a_pack_count_in_the_order_of_their_times():
    log = SiteLog()
    log.add_key()
    node = Meter(log)
    node.put((1000, 0))
    node.put((1010, 20), (1005, 10))
    node.put((1020, 30))
    assert rises(account(log)) == ["20"]
