"""`wayside signals`: run a junction's signals and look after them.

Exit status: 0 done or stopped, 1 a file or key cannot be used, 2 wrong usage.
"""

import argparse
import secrets
import sys
from pathlib import Path
from typing import Any

from wayside.control.signals.channels import draft_matrix
from wayside.control.signals.loader import JunctionFileError, load
from wayside.evidence import EvidenceError
from wayside.evidence.note import ED25519, NoteKey, parse_key, sign_note
from wayside.trust.keys import KeyFileError, load_or_create


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("signals", help="run a junction's signals and look after them")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    check = verbs.add_parser("check", help="check a junction file and explain every error")
    matrix = verbs.add_parser("matrix", help="write the monitor's matrix, to be compared with the plan on paper")
    for each in (check, matrix):
        each.add_argument("file", type=Path, metavar="FILE", help="the junction file, TOML")
    matrix.add_argument("--sign", type=Path, metavar="KEYFILE", help="sign it with this key; a new file gets a new key")
    matrix.add_argument("--name", default="traffic-engineer", help="the signer's name in the note")
    verbs.add_parser("keys", help="print fresh keys for the controller's and the monitor's line to a node")


def run(args: argparse.Namespace) -> int:
    try:
        return int(_VERBS[args.verb](args))
    except (EvidenceError, JunctionFileError, KeyFileError) as error:
        print(error, file=sys.stderr)
        return 1


def _check(args: argparse.Namespace) -> int:
    site = load(args.file)
    groups, channels = len(site.junction.groups), len(site.junction.channels)
    print(f"{args.file}: good: {groups} signal groups on {channels} channels, {len(site.plans)} plans")
    return 0


def _matrix(args: argparse.Namespace) -> int:
    site = load(args.file)
    text = draft_matrix(site.name, site.junction)
    if args.sign:
        secret = load_or_create(args.sign)
        key = parse_key(str(NoteKey(args.name, ED25519, secret.public)))  # refuses a name that no note may have
        text = sign_note(text, key, secret.sign).encode().decode()
        print(f"key  {key}", file=sys.stderr)
    print(text, end="")
    return 0


def _keys(_: argparse.Namespace) -> int:
    for master in ("controller", "monitor"):
        print(f"{master}  {secrets.token_hex(32)}")
    return 0


_VERBS = {"check": _check, "matrix": _matrix, "keys": _keys}
