"""`wayside log SITE`: the verifier key of a site's log and what that holds, also while the gateway runs.

Exit status: 0 shown, 1 the check found an entry that is not what was logged, 2 there is no log to read.
"""

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

from wayside.cli import verifier_key
from wayside.cli.command_line import whole
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry, kind_name
from wayside.log import LogError, LogReader, StoredEntry
from wayside.site import config

_CHUNK = 1000


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("log", help="look into the log")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    entries_help = "show the last N entries, one JSON object a line"
    parser.add_argument("--entries", type=whole(1, 10**9), metavar="N", help=entries_help)
    parser.add_argument("--epoch", type=whole(0, 2**32), metavar="N", help="an ended epoch (default: the newest)")
    parser.add_argument("--check", action="store_true", help="hash every entry again")


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load_without_profiles(args.site)
        log = LogReader(args.site.parent / site.site.state / "log", epoch=args.epoch)
    except (config.SiteFileError, LogError) as error:
        print(f"wayside log: {error}", file=sys.stderr)
        return 2
    try:
        _show_key(log, args.site.parent / site.site.state)
        return _show(log, args)
    finally:
        log.close()


def _show_key(log: LogReader, folder: Path) -> None:
    """What a reader of evidence brings (docs/verify.md)."""
    try:
        print(f"key    {verifier_key.of_log(log, folder)}")
    except EvidenceError:
        print(f"key    not known: no key entry of this log signed its checkpoint, nor did {folder / 'log.key'}")


def _show(log: LogReader, args: argparse.Namespace) -> int:
    print(f"log    {log.origin}\nsize   {log.size}\nroot   {base64.b64encode(log.root).decode()}")
    for head in log.streams():
        print(f"stream {head.stream}: {head.count} entries, the last is {head.last}")
    for (device, kid), (boot, sequence, _) in sorted(log.chain_heads().items()):
        print(f"head   {device} {boot}/{sequence} by key {kid.hex()}")
    for sink, index, reason in log.dead_letters():
        print(f"dead   sink {sink} will never take entry {index}: {reason}")
    if args.entries:
        for record in log.records(max(0, log.size - args.entries), args.entries):
            print(_line(record))
    try:
        if args.check:
            for first in range(0, log.size, _CHUNK):
                log.check(first, min(first + _CHUNK, log.size))
            print(f"check  all {log.size} entries are what was logged")
    except EvidenceError as error:
        print(f"wayside log: {error}", file=sys.stderr)
        return 1
    return 0


def _line(record: StoredEntry) -> str:
    if not record.salt:
        return json.dumps({"index": record.index, "kind": "DAMAGED" if record.damaged else "PRUNED"})
    entry = decode_entry(record.entry)
    shown: dict[str, object] = {"index": record.index, "kind": kind_name(entry.kind), "stream": entry.stream}
    shown |= {"number": entry.number, "logged_at_ms": entry.logged_at_ms}
    shown["body"] = {field.name: getattr(entry.body, field.name) for field in getattr(entry.body, "fields", ())}
    return json.dumps(shown, default=_plain)


def _plain(value: object) -> str:
    """What JSON has no word for: bytes, and whatever else CBOR brings."""
    return value.hex() if isinstance(value, bytes) else str(value)
