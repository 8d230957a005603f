"""Airtime and the account of it, on both interpreters: plain asserts, no pytest."""

from wayside_wire import region
from wayside_wire.airtime import airtime_us

MINUTE_US = 60000000

# Semtech's calculator for the SX1261: (sf, bw, coding rate), then (preamble, bytes, explicit, crc): microseconds.
CALCULATOR = (
    ((12, 500000, 5), ((8, 1, 1, 1, 206848), (12, 64, 1, 1, 649216), (8, 1, 1, 0, 165888), (8, 192, 1, 1, 1476608),
                       (12, 16, 0, 0, 280576))),
    ((8, 125000, 6), ((8, 1, 1, 1, 53760), (8, 2, 1, 1, 53760), (8, 2, 1, 0, 53760), (8, 3, 1, 1, 66048),
                      (8, 3, 1, 0, 53760), (8, 4, 1, 1, 66048), (8, 4, 1, 0, 53760), (8, 5, 1, 1, 66048),
                      (8, 5, 1, 0, 66048), (8, 253, 1, 1, 827904), (8, 253, 1, 0, 827904), (12, 5, 0, 1, 61952),
                      (12, 5, 0, 0, 61952), (12, 10, 0, 1, 86528), (12, 253, 0, 1, 823808))),
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


# All ten bandwidths of both chips, rounded as their datasheets do (SX1261/2: table 13-48).
BANDWIDTHS_HZ = (7800, 10400, 15600, 20800, 31250, 41700, 62500, 125000, 250000, 500000)


def sx1276_quarters(size, sf, coding_rate, preamble, implicit, crc, low_rate):
    """Symbols, times four, in the words of the SX1276's datasheet section 4.1.1.7."""
    pl, ih, de, cr = size, int(implicit), int(low_rate), coding_rate - 4
    above = 8 * pl - 4 * sf + 28 + 16 * crc - 20 * ih
    below = 4 * (sf - 2 * de)
    ceiling = above // below + (1 if above % below else 0)
    n_payload = 8 + max(ceiling * (cr + 4), 0)
    return 4 * preamble + 17 + 4 * n_payload


def sx1262_quarters(size, sf, coding_rate, preamble, implicit, crc, low_rate):
    """Symbols, times four, in the words of the SX1261/2's datasheet section 6.1.4: one formula for SF5 and SF6, one for
    the others with the low data rate optimisation and one for those without."""
    n_bits = 8 * size + (16 if crc else 0) - 4 * sf + (0 if implicit else 20)
    if sf < 7:
        below, extra = 4 * sf, 25
    elif low_rate:
        n_bits, below, extra = n_bits + 8, 4 * (sf - 2), 17
    else:
        n_bits, below, extra = n_bits + 8, 4 * sf, 17
    n_bits = max(n_bits, 0)
    whole = n_bits // below + (1 if n_bits % below else 0)
    return 4 * preamble + extra + 32 + 4 * whole * coding_rate


def test_every_setting_against_both_datasheets():
    """SF, bandwidth, coding rate, header, CRC and preamble in every combination, with the optimisation where the
    symbol is over 16 ms; sizes on both sides of where a block is full."""
    combinations = 0
    for sf in range(5, 13):
        for bw_hz in BANDWIDTHS_HZ:
            low_rate = (1 << sf) * 1000 > 16 * bw_hz
            for coding_rate in (5, 6, 7, 8):
                for shape in range(8):
                    explicit, crc, preamble = bool(shape & 1), bool(shape & 2), 6 if shape & 4 else 8
                    for size in (0, 1, 7, 19, 20, 51, 255):
                        words = (size, sf, coding_rate, preamble, not explicit, crc, low_rate)
                        quarters = sx1262_quarters(*words)
                        if sf > 6:
                            assert sx1276_quarters(*words) == quarters, words
                        found = airtime_us(size, sf, bw_hz, coding_rate, preamble, explicit, crc)
                        exact = quarters * (1 << sf) * 250000  # microseconds, times the bandwidth
                        assert exact <= found * bw_hz < exact + bw_hz, words  # rounded up, by less than one
                        combinations += 1
    assert combinations == 8 * 10 * 4 * 8 * 7


def test_odd_bandwidths_round_up():
    # The calculator shows 287532.907 ms for 7.81 kHz, with the symbol cut to microseconds.
    for words, shown_us in (
        ((253, 12, 7810, 8, 128), 287532907),
        ((253, 12, 7810, 8, 1000), 744858387),
        ((16, 11, 10420, 7, 25), 12824568),
        ((16, 11, 10420, 7, 25, False, False), 11448752),
    ):
        assert abs(airtime_us(*words) - shown_us) < shown_us // 900000, words
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
        edges = [khz for band in each.bands for khz in (band.low_khz, band.high_khz)]
        assert edges == sorted(edges), name  # bands touch, and never overlap


def test_plans_are_those_of_their_sources():
    # EN 300 220-2 V3.2.1 table B.1: (band, MHz from, MHz to, duty cycle in per mille, mW e.r.p.)
    table = (
        ("K", 863, 865, 1, 25), ("L", 865, 868, 10, 25), ("M", 868, 868.6, 10, 25), ("N", 868.7, 869.2, 1, 25),
        ("P", 869.4, 869.65, 100, 500), ("Q", 869.7, 870, 10, 25),
    )  # fmt: skip
    milliwatts = {14: 25, 27: 500}  # decibels of milliwatts, rounded as the standard does
    bands = region.REGIONS["EU868"].bands
    found = [(b.name, b.low_khz / 1000, b.high_khz / 1000, b.duty_permille, milliwatts[b.dbm]) for b in bands]
    assert found == [tuple(row) for row in table], found
    # (name, bands, kHz, longest ms, listen ms, below dBm, pause ms)
    for name, count, low, high, longest, listen, below, pause in (
        ("KR920", 2, 920800, 923400, 4000, 5, -65, 50),
        ("US915", 1, 902000, 928000, 400, 0, 0, 0),
        ("AS923", 1, 915000, 928000, 400, 0, 0, 0),
        ("AS923-JP", 1, 920500, 923500, 4000, 5, -80, 50),
    ):
        plan = region.REGIONS[name]
        assert (len(plan.bands), plan.bands[0].low_khz, plan.bands[-1].high_khz) == (count, low, high), name
        assert (plan.longest_us, plan.listen_us, plan.listen_dbm) == (1000 * longest, 1000 * listen, below), name
        assert plan.pause_us == 1000 * pause, name
    korea = region.REGIONS["KR920"]
    assert [region.band_of(korea, khz, 125000).dbm for khz in (921900, 922100)] == [10, 14]
    assert [region.REGIONS[name].bands[0].duty_permille for name in ("US915", "AS923", "AS923-JP")] == [1000, 10, 1000]
    # Every channel that LoRaWAN starts with lies in its plan: RP002-1.0.4 sections 2.4, 2.11 and 2.10.
    for name, channels in (
        ("EU868", (868100, 868300, 868500)),
        ("KR920", (922100, 922300, 922500)),
        ("AS923", (923200, 923400)),
        ("AS923-JP", (923200, 923400)),
    ):
        for khz in channels:
            region.band_of(region.REGIONS[name], khz, 125000)


def test_sliding_hour():
    account = region.AirtimeAccount(10)
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
    account = region.AirtimeAccount(1)
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
    account = region.AirtimeAccount(10)
    account.spend(20000000, 5 * MINUTE_US)
    account.spend(16000000, 30 * MINUTE_US)
    after = region.AirtimeAccount(10)
    after.restore(account.snapshot(40 * MINUTE_US), 0)
    assert after.used_us(0) == 36000000
    assert after.wait_us(1000, 0) == 26 * MINUTE_US
    after.restore([1, 2], 0)  # an older file
    assert after.used_us(0) == 3
