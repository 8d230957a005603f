"""`wayside verify FILE`: judge an evidence file, offline, by the log's public key or the owner's.

A fraud proof, as a witness writes it, and the proof of one entry (C2SP tlog-proof) are judged too. Exit status: 0
everything holds, 1 something does not, 2 the file or a key cannot be read, 3 fraud is proven.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.bundle import read_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.ed25519 import check_public
from wayside.evidence.entry import MAX_CLASS
from wayside.evidence.fraud import Fraud, prove_fraud, read_fraud
from wayside.evidence.note import ED25519, NoteError, NoteKey, parse_key
from wayside.evidence.policy import Policy, parse_policy
from wayside.evidence.proof import HEADER, parse_proof
from wayside.evidence.verify import Demands, Finding, lines, verify_bundle, verify_proof

_FORMAT = "wayside-verdict/1"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("verify", help="verify an evidence file, offline")
    parser.add_argument("file", type=Path, metavar="FILE")
    add_trust(parser)
    parser.add_argument("--min-class", type=_assurance, default=0, metavar="C", help="lowest assurance class, C0 to C4")
    parser.add_argument("--json", action="store_true", help="the judgement for programs (docs/verify.md)")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The arguments that say whom the reader trusts: see read_trust."""
    forms = "name+id+base64, 64 hexadecimal digits, or a file with either"
    parser.add_argument("--key", help=f"the log's public key: {forms}")
    root_help = "a root key of the owner; repeatable"
    parser.add_argument("--root", action="append", default=[], metavar="KEY", help=root_help)
    parser.add_argument("--roots", type=int, default=1, metavar="K", help="how many of the root keys must agree")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="logs and witnesses that count (tlog-policy)")


def read_trust(args: argparse.Namespace) -> tuple[Trust, Policy | None]:
    """Whom the arguments trust; EvidenceError or OSError when they cannot be read or trust nobody."""
    policy = parse_policy(args.policy.read_bytes()) if args.policy else None
    roots = frozenset(read_key(text).public for text in args.root)
    if roots and not 1 <= args.roots <= len(roots):
        raise EvidenceError(f"--roots {args.roots}: {len(roots)} root keys are given; write a number up to that")
    if args.key:
        key = read_key(args.key)
        site = Trust.in_key(key).site
        return Trust(frozenset([key.public]), roots, args.roots, site), policy
    logs = frozenset(key.public for key in policy.logs) if policy else frozenset()
    if not logs and not roots:
        raise EvidenceError("whom do you trust? Write --key with the log's key, or --root with the owner's")
    return Trust(logs, roots, args.roots), policy


def run(args: argparse.Namespace) -> int:
    try:
        trust, policy = read_trust(args)
        fraud = read_fraud(args.file)
        if fraud:
            if not args.key:
                raise EvidenceError("a fraud proof is judged by the log's key; write --key")
            return _judge_fraud(fraud, read_key(args.key), args.json)
        demands = Demands(policy, args.min_class)
        if _is_proof(args.file):
            holds, findings = verify_proof(parse_proof(args.file.read_bytes()), trust, demands)
        else:
            holds, findings = verify_bundle(read_bundle(args.file), trust, demands, os.cpu_count() or 1)
    except (EvidenceError, OSError) as error:
        print(f"wayside verify: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(verdict(holds, findings), indent=1))
    else:
        print("\n".join(lines(findings)))
        print("Verdict: everything holds." if holds else "Verdict: this evidence does NOT hold.")
    return 0 if holds else 1


def _is_proof(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER.encode()


def verdict(holds: bool, findings: list[Finding]) -> dict[str, Any]:
    """The judgement for programs; docs/verify.md names the fields, which stay."""
    return {"format": _FORMAT, "holds": holds, "findings": [asdict(each) for each in findings]}


def _assurance(text: str) -> int:
    if text[:1] in "cC" and text[1:].isascii() and text[1:].isdigit() and int(text[1:]) <= MAX_CLASS:
        return int(text[1:])
    raise argparse.ArgumentTypeError(f"{text!r} is no assurance class; write C0 to C{MAX_CLASS}")


def _judge_fraud(fraud: Fraud, key: NoteKey, as_json: bool) -> int:
    try:
        first, second = prove_fraud(fraud, key)
        proven = True
        text = f"{first.origin} signed two trees of {first.size} entries: {first.root.hex()} and {second.root.hex()}"
    except EvidenceError as error:
        proven, text = False, str(error)
    if as_json:
        print(json.dumps({"holds": False, "fraud": proven, "text": text}, indent=1))
    else:
        print(f"FRAUD PROVEN: {text}" if proven else f"This fraud proof proves nothing: {text}")
    return 3 if proven else 1


def read_key(text: str) -> NoteKey:
    """The log's public key in any of its forms; EvidenceError says what to write."""
    if Path(text).is_file():
        text = Path(text).read_text().strip()
    if "+" in text:
        return parse_key(text)
    try:
        public = bytes.fromhex(text)
    except ValueError:
        public = b""
    if len(public) != 32:
        raise NoteError(f"{text}: neither a verifier key, nor 64 hexadecimal digits, nor a file with either")
    check_public(public)
    # Without a name the key stands for whatever origin the checkpoint names.
    return NoteKey("", ED25519, public)
