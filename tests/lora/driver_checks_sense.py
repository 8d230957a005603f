"""Listening before talking with micropython-lib's drivers over modelled chips. Run in the VM by test_lora_driver.py."""

import asyncio
import time

import driver_bench
from driver_machine import now_ns
from fakes import files, scratch
from wayside_hil.lora.air import Air, Modulation
from wayside_node import radio
from wayside_node.clock import NodeClock
from wayside_node.radio_config import RadioSettings
from wayside_node.radio_sense import carrier_sense
from wayside_wire import lora_link as messages
from wayside_wire.region import REGIONS

KOREA = RadioSettings("KR920", 922100, 7, 125000)
JAPAN = RadioSettings("AS923-JP", 923200, 7, 125000)
LOSS_DB = 100


class Site:
    """One modem, and somebody else on the air who is of another network."""

    def __init__(self, make, settings):
        self.air = Air(loss_db=lambda sender, receiver: LOSS_DB)
        self.chip, self.modem = make(self.air, settings)
        self.clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, 600000)
        self.is_free = carrier_sense(self.modem, self.clock)
        self._khz = settings.freq_khz

    def jam(self, dbm, size=255, khz=None):
        """Some 2 seconds, `dbm` strong here; at SF10, which channel activity detection at SF7 would not find."""
        settings = Modulation(1000 * (khz or self._khz), 10, 125000, 5, 8, 0x34, False, True)
        return self.air.send(self, bytes(size), settings, True, dbm + LOSS_DB, now_ns())

    def transmitter(self, settings, name, jitter):
        budget = radio.Budget(files(), scratch(name) + "/a", 1000, self.clock)
        return radio.Transmitter(self.modem, settings, budget, self.clock, jitter, self.is_free)

    def run(self, main):
        async def served():
            serving = asyncio.create_task(driver_bench.serve(self.chip))
            try:
                return await main()
            finally:
                serving.cancel()

        found = asyncio.run(served())
        assert not self.chip.faults, self.chip.faults
        return found


def sense(make, settings, dbm):
    """What carrier sense says of a channel on which somebody sends so loud; None: nobody does."""
    site = Site(make, settings)
    rules = REGIONS[settings.region]
    if dbm is not None:
        site.jam(dbm)
    began = now_ns()
    found = site.run(lambda: site.is_free(rules.listen_us, rules.listen_dbm))
    assert site.modem.is_idle() and site.modem._rx is False, "as it was before"
    assert not found or now_ns() - began >= 1000 * rules.listen_us, "it listened for too short a time"
    return found


def check_threshold(make):
    for settings, limit in ((KOREA, -65), (JAPAN, -80)):
        found = [sense(make, settings, dbm) for dbm in (None, limit - 6, limit - 1, limit, limit + 10, limit + 40)]
        assert found == [True, True, True, False, False, False], (settings.region, found)


def test_the_threshold_is_the_regions():
    check_threshold(driver_bench.sx1276)
    check_threshold(driver_bench.sx1262)


def check_channel(make):
    site = Site(make, KOREA)
    site.jam(-30, khz=922300)
    assert site.run(lambda: site.is_free(5000, -65))


def test_another_channel_does_not_count():
    check_channel(driver_bench.sx1276)
    check_channel(driver_bench.sx1262)


def check_late(make):
    site = Site(make, KOREA)

    async def main():
        listening = asyncio.create_task(site.is_free(40000, -65))
        await asyncio.sleep_ms(20)
        site.jam(-50)
        return await listening

    assert site.run(main) is False


def test_one_who_begins_while_we_listen_is_heard():
    check_late(driver_bench.sx1276)
    check_late(driver_bench.sx1262)


def check_polite(make, name):
    site = Site(make, KOREA)
    pauses = []

    def jitter(limit):
        pauses.append(limit)
        return limit // 8

    sender = site.transmitter(KOREA, name, jitter)
    theirs = site.jam(-50, 20)  # 289 ms
    assert site.run(lambda: sender.send(b"polite")) == messages.DONE
    [ours] = [flight for flight in site.air.flights if flight.sender is site.chip]
    assert ours.start >= theirs.end, "it spoke into another's frame"
    assert sender.counts == {"backed off": len(pauses)} and pauses[:2] == [200, 400]


def test_a_busy_channel_is_waited_for_and_counted():
    check_polite(driver_bench.sx1276, "polite76")
    check_polite(driver_bench.sx1262, "polite62")


def check_never_free(make, name):
    site = Site(make, JAPAN)
    sender = site.transmitter(JAPAN, name, lambda limit: 1)
    site.jam(-70)
    assert site.run(lambda: sender.send(b"polite")) == messages.CHANNEL_BUSY
    assert sender.counts == {"backed off": 5, "channel busy": 1}
    assert not [flight for flight in site.air.flights if flight.sender is site.chip]


def test_a_channel_that_is_never_free_is_given_up():
    check_never_free(driver_bench.sx1276, "never76")
    check_never_free(driver_bench.sx1262, "never62")


def check_listening_board(make):
    site = Site(make, KOREA)

    async def main():
        packets = site.modem.recv_continuous()
        assert await site.is_free(5000, -65)
        site.jam(-60)
        assert not await site.is_free(5000, -65)
        assert site.modem._rx is True, "it listens still"
        return packets

    site.run(main)


def test_a_board_senses_while_it_listens_for_packets():
    check_listening_board(driver_bench.sx1276)
    check_listening_board(driver_bench.sx1262)


def test_a_modem_that_measures_nothing():
    assert carrier_sense(object(), None) is None
