"""`wayside lora plan`: what a site can send, by spreading factor.

Exit status: 0 something fits, 1 nothing does, 2 it cannot be planned."""

import argparse
import sys
from typing import Any

from wayside_wire.region import REGIONS, band_of

from wayside.cli.command_line import whole
from wayside.south.lora.plan import AirtimeRow, AirtimeSite, PlanError, rows, site


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("lora", help="plan LoRa sites")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    plan = verbs.add_parser("plan", help="show what a site can send, by spreading factor")
    plan.add_argument("--region", default="EU868", help=f"one of {', '.join(sorted(REGIONS))}")
    plan.add_argument("--channel-khz", type=whole(1, 10**7), help="channel instead of the region's usual one")
    plan.add_argument("--bandwidth-hz", type=int, choices=(125_000, 250_000, 500_000))
    plan.add_argument("--bytes", type=whole(1, 255), default=51, help="whole frame of a report (51: six readings)")
    plan.add_argument("--reports-per-head", type=whole(1, 31), default=4, metavar="N")
    plan.add_argument("--every-s", type=whole(1, 10**7), default=900, help="time between the reports of a node")
    plan.add_argument("--nodes", type=whole(1, 10**6), default=20, help="nodes on the channel")


def run(args: argparse.Namespace) -> int:
    try:
        wished = site(
            args.region,
            args.channel_khz,
            args.bandwidth_hz,
            args.bytes,
            args.reports_per_head,
            args.every_s,
            args.nodes,
        )
    except PlanError as error:
        print(f"wayside lora plan: {error}", file=sys.stderr)
        return 2
    found = rows(wished)
    print("\n".join(_lines(wished, found)))
    return 0 if any(not row.reason for row in found) else 1


def _lines(wished: AirtimeSite, found: list[AirtimeRow]) -> list[str]:
    rules = REGIONS[wished.region]
    band = band_of(rules, wished.freq_khz, wished.bw_hz)
    limits = [f"{band.duty_permille / 10:g} % of every hour" if band.duty_permille < 1000 else "no limit on the hour"]
    if rules.longest_us:
        limits.append(f"{rules.longest_us / 1000:g} ms at once")
    if rules.listen_us:
        limits.append(f"listen {rules.listen_us / 1000:g} ms below {rules.listen_dbm} dBm before")
    if rules.pause_us:
        limits.append(f"{rules.pause_us / 1000:g} ms pause after")
    name = f"{wished.region} {band.name}".rstrip()
    return [
        f"{name}, {wished.freq_khz / 1000:g} MHz, {wished.bw_hz // 1000} kHz, {band.dbm} dBm: {', '.join(limits)}",
        f"{wished.nodes} nodes, a report of {wished.report_bytes} bytes every {wished.every_s} s, "
        f"a signature for {wished.reports_per_head}",
        "",
        "SF   report ms   head ms   frames/h   shortest s   node uses   delivered",
        *(_line(row) for row in found),
    ]


def _line(row: AirtimeRow) -> str:
    times = f"{row.report_us / 1000:11.1f} {row.head_us / 1000:9.1f}"
    return (
        f"{row.sf:2d} {times} {row.frames_per_hour:10d} {row.shortest_s:12d}"
        f" {row.share_ppm / 10_000:9.3f} % {row.delivered_ppm / 10_000:9.2f} %  {row.reason}".rstrip()
    )
