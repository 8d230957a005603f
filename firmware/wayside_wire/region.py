"""What the law lets a transmitter do, as data, and the account of what it has used.

Each plan names its source. Laws change, and differ between countries of one plan: look them up before a site is built.
"""

from collections import namedtuple

HOUR_US = 3600000000

Band = namedtuple("Band", ("name", "low_khz", "high_khz", "duty_permille", "dbm"))
"""duty_permille: of every hour, 1000 where there is no limit. dbm: at most, in the terms of the rule (see the plan)."""

Region = namedtuple("Region", ("bands", "longest_us", "listen_us", "listen_dbm", "pause_us", "channel_khz", "bw_hz"))
"""longest_us: one transmission, 0: any. listen_us: how long a channel has to be below listen_dbm before, 0: need not.
pause_us: silence after a transmission. channel_khz, bw_hz: where a star begins that has no reason to do otherwise."""

REGIONS = {
    # ETSI EN 300 220-2 V3.2.1 annex B table B.1, bands K to Q; ERC/REC 70-03 annex 1, h1.0 to h1.7. dbm: e.r.p. The
    # narrow bands between them (868.6-868.7, 869.2-869.4, 869.65-869.7 MHz) are for alarms.
    "EU868": Region(
        (
            Band("K", 863000, 865000, 1, 14),
            Band("L", 865000, 868000, 10, 14),
            Band("M", 868000, 868600, 10, 14),
            Band("N", 868700, 869200, 1, 14),
            Band("P", 869400, 869650, 100, 27),
            Band("Q", 869700, 870000, 10, 14),
        ),
        0, 0, 0, 0, 868300, 125000,
    ),
    # Korea's rule for channels of 200 kHz that sense the carrier: 5 ms or more at -65 dBm or less, 4 s or less at once,
    # 50 ms or more of pause; LoRaWAN Regional Parameters RP002-1.0.4 section 2.11: 10 dBm below 922 MHz. dbm: e.i.r.p.
    "KR920": Region(
        (Band("low", 920800, 922000, 1000, 10), Band("high", 922000, 923400, 1000, 14)),
        4000000, 5000, -65, 50000, 922100, 125000,
    ),
    # 47 CFR 15.247: (b)(3) 1 W conducted, (a)(2) 500 kHz or more without hopping. A wide channel needs no dwell time;
    # 400 ms are LoRaWAN's (RP002-1.0.4 section 2.5) and those of (a)(1) for hopping. dbm: conducted. One channel that
    # never changes has to be 500 kHz wide; hopping over 50 narrow ones is not what a star does.
    "US915": Region((Band("", 902000, 928000, 1000, 30),), 400000, 0, 0, 0, 903000, 500000),
    # RP002-1.0.4 section 2.10, AS923-1: duty cycle below 1 %, dwell time 400 ms. dbm: e.i.r.p.
    "AS923": Region((Band("", 915000, 928000, 10, 16),), 400000, 0, 0, 0, 923200, 125000),
    # Japan, which wants carrier sense: ARIB STD-T108 part 2, 920.5 to 923.5 MHz with 5 ms: -80 dBm, 4 s at once, 50 ms
    # of pause. dbm: e.i.r.p.
    "AS923-JP": Region((Band("", 920500, 923500, 1000, 16),), 4000000, 5000, -80, 50000, 923200, 125000),
}  # fmt: skip


def band_of(region, freq_khz: int, bw_hz: int):
    """The Band that the whole channel lies in; ValueError when none holds it."""
    half_khz = (bw_hz + 1999) // 2000
    for band in region.bands:
        if band.low_khz + half_khz <= freq_khz <= band.high_khz - half_khz:
            return band
    raise ValueError("%d kHz with a bandwidth of %d Hz is in no band where one may send" % (freq_khz, bw_hz))


_MINUTE_US = 60000000
_MINUTES = 61  # a sliding hour in whole minutes: the one that is only partly gone counts still


class AirtimeAccount:
    """Airtime of one band in the last hour. Counts whole minutes: never too little, and some for a minute too long."""

    def __init__(self, duty_permille: int):
        self.limit_us = HOUR_US // 1000 * duty_permille
        self._used = [0] * _MINUTES  # the newest first
        self._minute = 0

    def used_us(self, now_us: int) -> int:
        """now_us: of a clock that never goes back."""
        self._turn(now_us)
        return sum(self._used)

    def wait_us(self, airtime_us: int, now_us: int) -> int:
        """How long until so much may be sent: 0 is now, -1 never."""
        if airtime_us > self.limit_us:
            return -1
        excess = self.used_us(now_us) + airtime_us - self.limit_us
        if excess <= 0:
            return 0
        for age in range(_MINUTES - 1, -1, -1):
            excess -= self._used[age]
            if excess <= 0:
                break
        return (self._minute + _MINUTES - age) * _MINUTE_US - now_us

    def spend(self, airtime_us: int, now_us: int) -> None:
        """What was sent, told when it ended."""
        self._turn(now_us)
        self._used[0] += airtime_us

    def snapshot(self, now_us: int) -> list:
        """Microseconds per minute, the newest first."""
        self._turn(now_us)
        return list(self._used)

    def restore(self, used, now_us: int) -> None:
        """Take up a snapshot of unknown age: as if no time had passed, since a board without power cannot tell."""
        self._turn(now_us)
        self._used = (list(used) + [0] * _MINUTES)[:_MINUTES]

    def _turn(self, now_us: int) -> None:
        minute = now_us // _MINUTE_US
        passed = minute - self._minute
        if passed > 0:
            self._used = ([0] * min(passed, _MINUTES) + self._used)[:_MINUTES]
            self._minute = minute
