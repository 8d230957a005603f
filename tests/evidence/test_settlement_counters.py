"""What a meter says, through polls, reports and packs to the settlement: nothing is paid that did not flow."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, NODE, SiteLog
from evidence.test_settlement import Meter, account, reasons, rises
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.settlement import kwh
from wayside_wire.aggregate import REGISTER, Aggregator
from wayside_wire.modbus import TIMEOUT
from wayside_wire.pack import SYNCED, Pack, pack_hash, sign_pack

sys.path.append(str(Path(__file__).parents[1] / "node"))
from test_node_poll import COUNT, SERIAL, Device

CHANNEL = "energy_active_import"
WATTS = 200_000  # what the circuit carries
STEP_S = WATTS / 36_000  # of 0.01 kWh in a second


class Site:
    """A meter with a register in steps of 0.01 kWh, polled each second; each poll is a report, each report a pack."""

    def __init__(self, serial=SERIAL):
        self.log = SiteLog()
        self.log.add_key()
        self.chain = Meter(self.log)
        self.has_serial = serial
        self.device = Device(COUNT, serial, watts=WATTS)
        self.aggregator = Aggregator({CHANNEL: REGISTER})

    def polls(self, *steps: int | None) -> None:
        """One poll for each; None: the meter is silent."""
        for value in steps:
            self.device.wrong = {0: (TIMEOUT, 0), 300: (TIMEOUT, 0)} if value is None else {}
            for at in range(4):
                self.device.values[at] = (value or 0) >> (16 * (3 - at)) & 0xFFFF
            self.device.aggregator = self.aggregator
            self.device.run()
            self._pack(self.aggregator.report())

    def _pack(self, report) -> None:
        chain, when = self.chain, self.log.now()
        readings = tuple(reading._replace(time_ms=when) for reading in report)
        made = Pack(DEVICE, chain.boot, chain.sequence, SYNCED, chain.previous, readings)
        raw = sign_pack(made, NODE.kid, NODE.sign)
        chain.sequence, chain.previous = chain.sequence + 1, pack_hash(raw)
        self.log.add_pack(raw)

    def restart(self, known_at: int | None = None) -> None:
        """A power cut: what is durable are the serial number, the last good count and whether it is doubted."""
        before = self.device
        self.device = Device(COUNT, self.has_serial, watts=WATTS)
        self.device.serial = before.serial
        serial, counts, _, doubted = before.poll.known()
        self.device.poll.restore(serial, counts, known_at, doubted)
        self.aggregator = Aggregator({CHANNEL: REGISTER})
        self.chain.boot, self.chain.sequence = self.chain.boot + 1, 0

    @property
    def paid(self) -> str:
        return kwh(account(self.log).joules)


@pytest.mark.parametrize("silent", [0, 1, 5], ids=["at once", "one poll", "five polls"])
def test_a_meter_with_a_higher_count_and_another_serial_number(silent: int):
    site = Site()
    site.polls(100_000, 100_001, *[None] * silent)
    site.device.serial = b"\x00\x00\x00\x08"
    site.polls(*range(500_000, 500_010))
    assert site.paid == {0: "0.09", 1: "0.1", 5: "0.08"}[silent] and "meter replaced" in reasons(account(site.log))


@pytest.mark.parametrize("known_at", [None, -600_000, -5_000])
@pytest.mark.parametrize("serial", [SERIAL, None], ids=["serial number", "none"])
def test_an_exchange_over_a_restart(serial: object, known_at: int | None):
    site = Site(serial)
    site.polls(100_000, 100_001)
    site.restart(known_at)
    site.device.serial = b"\x00\x00\x00\x08"
    site.polls(*range(500_000, 500_080))
    assert Fraction(site.paid) < 1 and "new count" in reasons(account(site.log))


@pytest.mark.parametrize("known_at", [None, -600_000])
def test_an_exchange_for_almost_the_same_count_over_a_restart(known_at: int | None):
    """It says 1,002 kWh where the old one said 1,000: no value tells them apart."""
    for serial in (SERIAL, None):
        site = Site(serial)
        site.polls(100_000, 100_001)
        site.restart(known_at)
        site.device.serial = b"\x00\x00\x00\x08"
        site.polls(*range(100_200, 100_290))
        assert Fraction(site.paid) < 1 and "new count" in reasons(account(site.log))


def test_the_same_meter_over_a_restart_is_one_count():
    site = Site()
    site.polls(100_000, 100_001)
    site.restart()
    site.polls(*range(100_010, 100_013))
    (stretch,) = account(site.log).stretches
    assert kwh(stretch.joules) == site.paid == "0.12"


def test_zeros_after_a_reconnect():
    site = Site()
    site.polls(1_234_570, 1_234_580, None, None, 0, 0, 0, 0, 0, 1_234_590, 1_234_595)
    assert site.paid == "0.25"


def test_zeros_behind_a_restart():
    site = Site()
    site.polls(1_234_570, 1_234_580)
    site.restart()
    site.polls(*[0] * 20, 1_234_590, 1_234_595)
    assert site.paid == "0.25"


def test_a_single_spike():
    site = Site()
    site.polls(1_234_570, 1_234_580, 9_999_999, 1_234_590, 1_234_595)
    assert site.paid == "0.25" and rises(account(site.log)) == ["0.25"]


def test_a_register_that_falls_by_one_count():
    site = Site()
    site.polls(1_234_570, 1_234_580, 1_234_579, 1_234_580, 1_234_579, 1_234_590, 1_234_595)
    assert site.paid == "0.25" and rises(account(site.log)) == ["0.25"]
    assert site.device.events == [("identified", "")]


@given(
    st.lists(st.integers(0, 5), min_size=5, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.one_of(st.none(), st.integers(0, 10**7))), max_size=8),
    st.booleans(),
)
def test_whatever_single_polls_say_no_more_is_paid_than_flowed(
    steps: list[int], wrong: list[tuple[int, int | None]], has_serial: bool
):
    site = Site(SERIAL if has_serial else None)
    true = [1_000_000 + sum(steps[: at + 1]) for at in range(len(steps))]
    read: list[int | None] = list(true)
    for at, value in wrong:
        if 0 < at < len(read) - 1:
            read[at] = value
    site.polls(*read)
    found = account(site.log)
    # A wrong value that the circuit could have carried within some seconds is no worse than that.
    assert found.joules <= 36_000 * (true[-1] - true[0] + 20 * STEP_S)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 4), st.booleans(), st.booleans())
def test_no_exchange_is_paid_for(old: int, new: int, silent: int, restarts: bool, has_serial: bool):
    """With a serial number nothing is paid over it, without one no more than the circuit carries in some seconds."""
    site = Site(SERIAL if has_serial else None)
    site.polls(old, old + 1, *[None] * silent)
    if restarts:
        site.restart(-1_000 * silent - 1_000)
    site.device.serial = b"\x00\x00\x00\x08"
    site.polls(*range(new, new + 5))
    assert account(site.log).joules <= 36_000 * (5 + (0 if has_serial and (silent or restarts) else 20 * STEP_S))
