"""Airtime and the account of it, on both interpreters: plain asserts, no pytest."""

from wayside_wire import region
from wayside_wire.airtime import airtime_us

MINUTE_US = 60000000

# Semtech's calculator for the SX1261: (sf, bw, coding rate), then (preamble, bytes, explicit, crc): milliseconds.
CALCULATOR = (
    ((12, 500000, 5), ((8, 1, 1, 1, 206848), (12, 64, 1, 1, 649216), (8, 1, 1, 0, 165888), (8, 192, 1, 1, 1476608),
                       (12, 16, 0, 0, 280576))),
    ((8, 125000, 6), ((8, 1, 1, 1, 53760), (8, 2, 1, 0, 53760), (8, 3, 1, 1, 66048), (8, 3, 1, 0, 53760),
                      (8, 5, 1, 0, 66048), (8, 253, 1, 1, 827904), (12, 5, 0, 1, 61952), (12, 10, 0, 1, 86528),
                      (12, 253, 0, 1, 823808))),
    ((5, 500000, 5), ((2, 1, 1, 0, 1360), (2, 1, 1, 1, 1680), (12, 1, 0, 0, 1680), (12, 253, 0, 1, 34000))),
    ((5, 125000, 8), ((12, 253, 0, 1, 213568),)),
)  # fmt: skip

# The published calculator after AN1200.13: 37 bytes, 125 kHz, 4/5, preamble 8; and single values of its editions.
GUIDE_37 = {7: 82176, 8: 143872, 9: 267264, 10: 493568, 11: 1069056, 12: 1974272}


def test_semtech_calculator():
    for (sf, bw_hz, rate), rows in CALCULATOR:
        for preamble, size, explicit, crc, us in rows:
            assert airtime_us(size, sf, bw_hz, rate, preamble, explicit, crc) == us, (sf, bw_hz, size)


def test_design_guide():
    for sf, us in GUIDE_37.items():
        assert airtime_us(37, sf) == us, sf
    assert airtime_us(13, 9) == 164864
    assert airtime_us(10, 7) == 41216
    assert airtime_us(10, 11) == 577536


def test_odd_bandwidths_round_up():
    # The calculator shows 287532.907 ms for 7.81 kHz, with the symbol cut to microseconds.
    assert abs(airtime_us(253, 12, 7810, 8, 128) - 287532907) < 300
    for size in range(255):
        assert airtime_us(size, 7, 62500) <= airtime_us(size + 1, 7, 62500)


def test_what_no_modem_has():
    for arguments in ((256, 7), (-1, 7), (10, 4), (10, 13), (10, 7, 125000, 4)):
        try:
            airtime_us(*arguments)
        except ValueError:
            continue
        raise AssertionError(arguments)


def test_bands():
    eu = region.REGIONS["EU868"]
    assert [region.band_of(eu, khz, 125000).name for khz in (868100, 868300, 868500, 869525, 867100)] == list("MMMPL")
    for khz, bw_hz in ((868000, 125000), (868650, 125000), (869525, 500000), (862000, 125000)):
        try:
            region.band_of(eu, khz, bw_hz)
        except ValueError:
            continue
        raise AssertionError(khz)
    for name, each in region.REGIONS.items():
        assert region.band_of(each, each.channel_khz, each.bw_hz), name


def test_sliding_hour():
    account = region.Account(10)
    assert account.limit_us == 36000000
    for i in range(36):
        assert account.wait_us(1000000, i * MINUTE_US) == 0
        account.spend(1000000, i * MINUTE_US)
    now = 36 * MINUTE_US
    wait = account.wait_us(1000000, now)
    assert wait == 25 * MINUTE_US  # the first second is gone when its minute lies an hour back
    assert account.wait_us(1000000, now + wait - 1) > 0
    assert account.wait_us(1000000, now + wait) == 0
    assert account.wait_us(2000000, now) == 26 * MINUTE_US
    assert account.wait_us(36000001, now) == -1
    assert account.used_us(now + 200 * MINUTE_US) == 0


def test_no_hour_holds_more_than_its_share():
    state = 12345
    account = region.Account(1)
    sent = []
    now = 0
    for _ in range(400):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        now += state % (90 * 1000000)
        airtime = 10000 + state % 300000
        if account.wait_us(airtime, now) == 0:
            account.spend(airtime, now)
            sent.append((now, airtime))
        assert sum([us for at, us in sent if now - region.HOUR_US < at]) <= account.limit_us
    assert len(sent) > 50


def test_a_reboot_forgives_nothing():
    account = region.Account(10)
    account.spend(20000000, 5 * MINUTE_US)
    account.spend(16000000, 30 * MINUTE_US)
    after = region.Account(10)
    after.restore(account.snapshot(40 * MINUTE_US), 0)
    assert after.used_us(0) == 36000000
    assert after.wait_us(1000, 0) == 26 * MINUTE_US
    after.restore([1, 2], 0)  # an older file
    assert after.used_us(0) == 3
