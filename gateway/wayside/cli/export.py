"""`wayside export SITE FILE`: an evidence file from a site's log, of all of it or of one device and interval.

Works while the gateway runs. Exit status: 0 written, 1 the log has nothing of it (any more), 2 it cannot be read.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayside import config, profiles
from wayside.evidence import EvidenceError
from wayside.evidence.bundle import Claim, write_bundle
from wayside.log import LogError, LogReader, read_cosigned


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("export", help="write an evidence file")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("file", type=Path, metavar="FILE", help="where the evidence goes")
    parser.add_argument("--device", help="only this device (default: the whole log)")
    when = "2026-11-20 or 2026-11-20T08:00, UTC unless it says otherwise"
    parser.add_argument("--from", dest="start", type=_time_ms, metavar="T", help=f"logged from T on: {when}")
    cosigned_help = "the log as it was when K witnesses or more (default: 1) last co-signed it"
    parser.add_argument("--cosigned", type=int, nargs="?", const=1, metavar="K", help=cosigned_help)
    parser.add_argument("--to", dest="end", type=_time_ms, metavar="T", help="logged before T")


def run(args: argparse.Namespace) -> int:
    if args.device is None and (args.start is not None or args.end is not None):
        print("wayside export: --from and --to go with --device; without it the whole log is written", file=sys.stderr)
        return 2
    try:
        site = config.load(args.site, profiles.names())
        log = _open(args.site.parent / site.site.state / "log", args.cosigned)
    except (config.ConfigError, LogError) as error:
        print(f"wayside export: {error}", file=sys.stderr)
        return 2
    try:
        bundle = write_bundle(args.file, log, Claim(args.device, args.start, args.end))
    except EvidenceError as error:
        print(f"wayside export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"wayside export: {args.file}: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        log.close()
    print(f"{args.file}: {len(bundle.records)} entries, {len(bundle.proof)} proof hashes")
    return 0


def _open(folder: Path, cosigned: int | None) -> LogReader:
    """The log at its co-signed checkpoint when that is asked for, or when nothing was logged since."""
    log = LogReader(folder)
    note = read_cosigned(folder, cosigned or 1)
    if cosigned and not note:
        log.close()
        raise LogError(f"{folder}: no {cosigned} witnesses have co-signed this log; leave --cosigned out, or lower it")
    # The text of a checkpoint, without its signatures, is all that it says.
    if not cosigned and note.partition(b"\n\n")[0] != log.checkpoint.partition(b"\n\n")[0]:
        return log
    log.close()
    return LogReader(folder, note)


def _time_ms(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 2026-11-20T08:00") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
