"""What a LoRa site can send: the law's share, the airtime, and the collisions of nodes that do not hear each other."""

import math
from dataclasses import dataclass

from wayside_wire.airtime import airtime_us
from wayside_wire.lora import OVERHEAD
from wayside_wire.region import HOUR_US, REGIONS, band_of

HEAD_BYTES = 111  # of a pack of three reports (docs/lora.md); each more adds two

_SPREADING = range(7, 13)


class PlanError(ValueError):
    """What cannot be planned; the text says what to do."""


@dataclass(frozen=True, slots=True)
class AirtimeRow:
    """One spreading factor. frames_per_hour: of one node, 0 where a frame is over the longest transmission.

    share_ppm: of the hour's airtime that one node uses as wished; delivered_ppm: chance that a frame meets no other.
    """

    sf: int
    report_us: int
    head_us: int
    per_report_us: int
    frames_per_hour: int
    shortest_s: int
    share_ppm: int
    delivered_ppm: int
    reason: str


@dataclass(frozen=True, slots=True)
class AirtimeSite:
    """report_bytes: whole frame; reports_per_head: how many reports one signature covers; every_s: between reports."""

    region: str
    freq_khz: int
    bw_hz: int
    report_bytes: int
    reports_per_head: int
    every_s: int
    nodes: int


def site(
    region: str,
    freq_khz: int | None,
    bw_hz: int | None,
    report_bytes: int,
    reports_per_head: int,
    every_s: int,
    nodes: int,
) -> AirtimeSite:
    """With the region's own channel where none is given; PlanError for what nobody may send."""
    if region not in REGIONS:
        raise PlanError(f"{region} is no region; there are {', '.join(sorted(REGIONS))}")
    rules = REGIONS[region]
    if not OVERHEAD < report_bytes <= 255:
        raise PlanError(f"a frame has {OVERHEAD + 1} to 255 bytes")
    wished = AirtimeSite(
        region, freq_khz or rules.channel_khz, bw_hz or rules.bw_hz, report_bytes, reports_per_head, every_s, nodes
    )
    try:
        band_of(rules, wished.freq_khz, wished.bw_hz)
    except ValueError as error:
        raise PlanError(f"{region}: {error}") from None
    return wished


def rows(wished: AirtimeSite) -> list[AirtimeRow]:
    """A row for each spreading factor from 7 to 12."""
    return [_row(wished, sf) for sf in _SPREADING]


def _row(wished: AirtimeSite, sf: int) -> AirtimeRow:
    rules = REGIONS[wished.region]
    band = band_of(rules, wished.freq_khz, wished.bw_hz)
    report_us = airtime_us(wished.report_bytes, sf, wished.bw_hz)
    head_us = airtime_us(HEAD_BYTES + 2 * max(0, wished.reports_per_head - 3), sf, wished.bw_hz)
    per_report_us = report_us + -(-head_us // wished.reports_per_head)
    limit_us = HOUR_US // 1000 * band.duty_permille
    longest_us = max(report_us, head_us)
    reason = ""
    frames = limit_us // report_us
    if rules.longest_us and longest_us > rules.longest_us:
        reason = f"{longest_us / 1000:.0f} ms in one transmission, {rules.longest_us // 1000} ms are allowed"
        frames = 0
    share_ppm = per_report_us // wished.every_s
    if not reason and share_ppm > band.duty_permille * 1000:
        reason = "over the share of the hour: send less often"
    return AirtimeRow(
        sf,
        report_us,
        head_us,
        per_report_us,
        frames,
        -(-per_report_us * 1000 // (band.duty_permille * 1_000_000)),
        share_ppm,
        round(1e6 * delivered(wished.nodes, per_report_us / 1e6 / wished.every_s)),
        reason,
    )


def delivered(nodes: int, load: float) -> float:
    """Pure ALOHA (Abramson 1970): the chance that none of the other nodes, each on the air for `load` of the time,
    begins within one frame before or during a frame of one node."""
    return math.exp(-2 * (nodes - 1) * load)
