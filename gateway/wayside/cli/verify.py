"""`wayside verify FILE --key KEY`: judge an evidence file, offline, with nothing but the log's public key.

A fraud proof, as a witness writes it, is judged too. Exit status: 0 everything holds, 1 something does not, 2 the file
or the key cannot be read, 3 fraud is proven.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.bundle import read_bundle
from wayside.evidence.fraud import Fraud, prove_fraud, read_fraud
from wayside.evidence.note import ED25519, NoteError, NoteKey, parse_key
from wayside.evidence.policy import parse_policy
from wayside.evidence.verify import lines, verify_bundle


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("verify", help="verify an evidence file, offline")
    parser.add_argument("file", type=Path, metavar="FILE")
    forms = "name+id+base64, 64 hexadecimal digits, or a file with either"
    parser.add_argument("--key", required=True, help=f"the log's public key: {forms}")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="witnesses that must have co-signed (tlog-policy)")
    parser.add_argument("--json", action="store_true", help="the judgement for programs")


def run(args: argparse.Namespace) -> int:
    try:
        key = read_key(args.key)
        policy = parse_policy(args.policy.read_bytes()) if args.policy else None
        fraud = read_fraud(args.file)
        if fraud:
            return _judge_fraud(fraud, key, args.json)
        bundle = read_bundle(args.file)
    except (EvidenceError, OSError) as error:
        print(f"wayside verify: {error}", file=sys.stderr)
        return 2
    holds, findings = verify_bundle(bundle, key, policy)
    if args.json:
        print(json.dumps({"holds": holds, "findings": [asdict(each) for each in findings]}, indent=1))
    else:
        print("\n".join(lines(findings)))
        print("Verdict: everything holds." if holds else "Verdict: this evidence does NOT hold.")
    return 0 if holds else 1


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
    """The log's public key in any of its forms; NoteError says what to write."""
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
    # Without a name the key stands for whatever origin the checkpoint names.
    return NoteKey("", ED25519, public)
