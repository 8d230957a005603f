"""`wayside settle FILE --device D`: exact energy between first and last register, from evidence alone.

The evidence is verified first, as `wayside verify` does. Exit status: 0 it holds and there is something to settle, 1
not so, 2 the file or the key cannot be read.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayside.cli.verify import add_trust, read_trust
from wayside.evidence import EvidenceError
from wayside.evidence.bundle import read_bundle
from wayside.evidence.settlement import Register, Stretch, kwh, settle
from wayside.evidence.verify import Demands, lines, verify_bundle


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("settle", help="recompute a meter's energy from an evidence file")
    parser.add_argument("file", type=Path, metavar="FILE")
    add_trust(parser)
    parser.add_argument("--device", required=True)


def run(args: argparse.Namespace) -> int:
    try:
        trust, policy = read_trust(args)
        bundle = read_bundle(args.file)
    except (EvidenceError, OSError) as error:
        print(f"wayside settle: {error}", file=sys.stderr)
        return 2
    holds, findings = verify_bundle(bundle, trust, Demands(policy))
    if not holds:
        print("\n".join(line for line in lines(findings) if line.startswith("FAILS")))
        print("Nothing is settled on evidence that does not hold.")
        return 1
    try:
        stretches = settle(bundle, args.device)
    except EvidenceError as error:
        print(f"wayside settle: {error}", file=sys.stderr)
        return 1
    for stretch in stretches:
        print(_line(stretch))
    told = [finding.text for finding in findings if finding.subject == f"{args.device} sequence"]
    print(f"packs: {told[0] if told else 'none'}")
    if not stretches:
        print(f"There is no energy register of {args.device} in this evidence.")
    return 0 if stretches else 1


def _line(stretch: Stretch) -> str:
    registers = f"{stretch.registers} registers, {stretch.bad} bad readings"
    return f"{stretch.channel}: {kwh(stretch.joules)} kWh  {_at(stretch.first)} to {_at(stretch.last)}  ({registers})"


def _at(register: Register) -> str:
    boot, sequence = register.place
    time = "a time not known"
    if register.time_ms is not None:
        time = datetime.fromtimestamp(register.time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{kwh(register.joules)} at {time} [{boot}/{sequence}]"
