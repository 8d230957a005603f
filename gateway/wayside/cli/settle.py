"""`wayside settle FILE --device D`: exact energy between registers, from evidence alone.

The evidence is judged first, as `wayside verify` does, and with the same arguments. Exit status: 0 it holds and there
is something to settle; 1 it does not hold, or there is no register, or a register that cannot be summed; 2 the file or
a key cannot be read; 3 the file proves that the log's key signed what contradicts itself.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wayside.cli.verify import FRAUD_PROVEN, add_trust, read_demands, read_trust
from wayside.evidence import EvidenceError
from wayside.evidence.bundle import read_bundle
from wayside.evidence.finding import Finding, lines, printable, proves_fraud, utc
from wayside.evidence.settlement import (
    Break,
    EnergyAccount,
    EnergyRegister,
    RegisterStretch,
    Settlement,
    kwh,
    settle,
    shown,
)
from wayside.evidence.verify import Verifier
from wayside.text.reason import reason

_FORMAT = "wayside-settlement/1"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("settle", help="recompute a meter's energy from an evidence file")
    parser.add_argument("file", type=Path, metavar="FILE")
    add_trust(parser)
    parser.add_argument("--device", required=True)
    parser.add_argument("--json", action="store_true", help="the settlement for programs (docs/verify.md)")


def run(args: argparse.Namespace) -> int:
    try:
        trust, policy = read_trust(args)
        verifier = Verifier(read_bundle(args.file), trust, read_demands(args, policy), os.cpu_count() or 1)
        holds = verifier.run()
        found = settle(verifier.bundle, verifier.judge, args.device) if holds else Settlement(args.device)
    except (EvidenceError, OSError) as error:
        print(f"wayside settle: {reason(error)}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(as_json(holds, found, verifier.findings), indent=1))
    else:
        print("\n".join(map(printable, _text(holds, found, verifier.findings))))
    if proves_fraud(verifier.findings):
        return 3
    return 0 if holds and found.accounts and not found.problems else 1


def _text(holds: bool, found: Settlement, findings: list[Finding]) -> Iterator[str]:
    if not holds:
        yield from (line for line in lines(findings) if line.startswith("FAILS"))
        if proves_fraud(findings):
            yield FRAUD_PROVEN
        yield "Nothing is settled on evidence that does not hold."
        return
    for account in found.accounts:
        yield from _account(account)
    yield from (f"PROBLEM  {problem}" for problem in found.problems)
    if not found.accounts:
        yield f"There is no energy register of {found.device} in this evidence."
    about = ("claim", ""), ("signatures", found.device), ("origin", found.device), ("sequence", found.device)
    yield from (f"{each.subject}: {each.text}" for each in findings if (each.check, each.device) in about)


def _account(account: EnergyAccount) -> Iterator[str]:
    yield f"{account.channel}: {shown(account.joules)} kWh in {len(account.stretches)} stretches"
    for at, stretch in enumerate(account.stretches):
        if at:
            cut = account.breaks[at - 1]
            yield f"  break    {shown(cut.joules)} kWh over it, not counted: {'; '.join(cut.reasons)}"
        unused = f", {stretch.unused} readings bad or uncertain" if stretch.unused else ""
        where = f"{_at(stretch.first)} to {_at(stretch.last)}"
        by = f"{stretch.first.attested}-attested by key {stretch.first.kid.hex()}"
        yield f"  stretch  {shown(stretch.joules)} kWh: {where}, {stretch.registers} registers{unused}, {by}"


def _at(register: EnergyRegister) -> str:
    time = "a time not known" if register.time_ms is None else utc(register.time_ms)
    return f"{shown(register.joules)} at {time} [{register.boot}/{register.sequence}, entry {register.index}]"


def as_json(holds: bool, found: Settlement, findings: list[Finding]) -> dict[str, Any]:
    """The settlement for programs; docs/verify.md names the fields, which stay. Exact numbers are texts."""
    return {
        "format": _FORMAT,
        "holds": holds,
        "fraud": proves_fraud(findings),
        "device": found.device,
        "channels": [_account_json(each) for each in found.accounts],
        "problems": list(found.problems),
        "findings": [asdict(each) for each in findings],
    }


def _account_json(account: EnergyAccount) -> dict[str, Any]:
    return {
        "channel": account.channel,
        "joules": str(account.joules),
        "kwh": kwh(account.joules),
        "stretches": [_stretch_json(each) for each in account.stretches],
        "breaks": [_break_json(each) for each in account.breaks],
    }


def _stretch_json(stretch: RegisterStretch) -> dict[str, Any]:
    return {
        "kid": stretch.first.kid.hex(),
        "attested": stretch.first.attested,
        "joules": str(stretch.joules),
        "kwh": kwh(stretch.joules),
        "first": _register_json(stretch.first),
        "last": _register_json(stretch.last),
        "registers": stretch.registers,
        "unused": stretch.unused,
    }


def _break_json(cut: Break) -> dict[str, Any]:
    between = {"joules": str(cut.joules), "kwh": kwh(cut.joules), "reasons": list(cut.reasons)}
    return {"after": _register_json(cut.after), "before": _register_json(cut.before), **between}


def _register_json(register: EnergyRegister) -> dict[str, Any]:
    place = {"boot": register.boot, "sequence": register.sequence, "entry": register.index}
    return {"joules": str(register.joules), "time_ms": register.time_ms, **place}
