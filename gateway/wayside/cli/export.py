"""`wayside export SITE FILE`: an evidence file from a site's log, of all of it or of one device and interval.

Works while the gateway runs. Exit status: 0 written, 1 the log has nothing of it (any more), 2 it cannot be read.
"""

import argparse
import importlib.metadata
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from wayside.cli.command_line import whole
from wayside.evidence import EvidenceError
from wayside.evidence.bundle import BundleClaim, Writer, write_bundle
from wayside.evidence.entry import kind_and_time
from wayside.evidence.kinds import EntryKind
from wayside.evidence.note import parse_checkpoint, parse_note
from wayside.evidence.policy import PolicyError, parse_policy
from wayside.evidence.proof import TlogProof, encode_proof
from wayside.evidence.stream import device_of, device_stream
from wayside.log import LogError, LogReader, StoredEntry, read_cosigned
from wayside.site import config
from wayside.text.reason import reason
from wayside.text.unknown import unknown

_NEVER_MS = 2**62
_NEAREST = 1000  # entries before and behind an interval that are looked through for a pack


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("export", help="write an evidence file")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("file", type=Path, metavar="FILE", help="where the evidence goes")
    parser.add_argument("--device", help="only this device (default: the whole log)")
    when = "2026-11-20 or 2026-11-20T08:00, UTC unless it says otherwise"
    parser.add_argument("--from", dest="start", type=_time_ms, metavar="T", help=f"logged from T on: {when}")
    parser.add_argument("--to", dest="end", type=_time_ms, metavar="T", help="logged before T")
    parser.add_argument("--entry", type=whole(0, 2**53), metavar="N", help="only this entry, as a C2SP tlog-proof")
    cosigned_help = "the log as it was when K witnesses or more (default: 1) last co-signed it"
    parser.add_argument("--cosigned", type=whole(1, 1000), nargs="?", const=1, metavar="K", help=cosigned_help)
    epoch_help = "of an epoch that has ended (default: the newest)"
    parser.add_argument("--epoch", type=whole(0, 2**32), metavar="N", help=epoch_help)
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a tlog-policy to recommend to the reader")


def run(args: argparse.Namespace) -> int:
    if args.device is None and (args.start is not None or args.end is not None):
        print("wayside export: --from and --to go with --device; without it the whole log is written", file=sys.stderr)
        return 2
    if args.entry is not None and args.device is not None:
        print("wayside export: --entry N is one entry of the whole log; leave --device out", file=sys.stderr)
        return 2
    try:
        site = config.load_without_profiles(args.site)
        policy = args.policy.read_bytes() if args.policy else b""
        if policy:
            parse_policy(policy)
        folder = args.site.parent / site.site.state / "log"
        with closing(LogReader(folder, epoch=args.epoch)) as newest:
            claim = _claim(newest, args)
        log = _open(folder, args, claim)
    except (config.SiteFileError, LogError, OSError) as error:
        print(f"wayside export: {reason(error)}", file=sys.stderr)
        return 2
    except PolicyError as error:
        print(f"wayside export: {args.policy}: {reason(error)}", file=sys.stderr)
        return 2
    except EvidenceError as error:
        print(f"wayside export: {reason(error)}", file=sys.stderr)
        return 1
    try:
        if args.entry is not None:
            print(_write_proof(args.file, log, args.entry))
            return 0
        writer = Writer(f"wayside {importlib.metadata.version('wayside')}", time.time_ns() // 1_000_000)
        bundle = write_bundle(args.file, log, claim, writer, policy)
    except EvidenceError as error:
        print(f"wayside export: {reason(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"wayside export: {args.file}: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        log.close()
    print(f"{args.file}: {len(bundle.records)} entries, {len(bundle.proof)} proof hashes")
    return 0


def _claim(log: LogReader, args: argparse.Namespace) -> BundleClaim:
    """The numbers in the device's stream that are asked for; EvidenceError when there is nothing of it.

    Times are looked up in the gateway's clock, here and never again: the file says numbers. It begins with the pack
    before the first time and ends with the pack behind the last, so that an energy has its edges.
    """
    if args.device is None:
        return BundleClaim()
    stream = device_stream(args.device)
    devices = [device for head in log.streams() if (device := device_of(head.stream))]
    if args.device not in devices:
        raise EvidenceError(f"the log has nothing of it: {unknown('device', args.device, devices)}")
    count = log.head(stream).head.count
    whole = log.numbers_between(stream, 0, _NEVER_MS)  # an erased entry has no time any more
    if whole is None:
        raise EvidenceError(f"PRUNED: retention has erased all that there was of {args.device}")
    kept = whole[0]
    if args.start is None and args.end is None:
        return BundleClaim(stream, kept)
    found = log.numbers_between(stream, args.start or 0, _NEVER_MS if args.end is None else args.end)
    if found is None:
        raise EvidenceError(f"nothing of {args.device} was logged in this time, or retention has erased it")
    first = _pack_near(log, stream, range(found[0] - 1, kept - 1, -1), found[0])
    last = _pack_near(log, stream, range(found[1], count), found[1] - 1)
    return BundleClaim(stream, first, last + 1 if last + 1 < count else None)


def _pack_near(log: LogReader, stream: str, numbers: range, otherwise: int) -> int:
    """The first of these numbers that is a pack; what was asked for where none of the nearest is."""
    for number in numbers[:_NEAREST]:
        record = _record(log, stream, number)
        if record.salt and kind_and_time(record.entry)[0] == EntryKind.PACK:
            return number
    return otherwise


def _record(log: LogReader, stream: str, number: int) -> StoredEntry:
    (index,) = log.indexes_of(stream, number, number + 1)
    return log.records(index, 1)[0]


def _write_proof(path: Path, log: LogReader, index: int) -> str:
    if not 0 <= index < log.size:
        raise EvidenceError(f"there is no entry {index}; the log has {log.size}")
    (record,) = log.records(index, 1)
    if record.damaged:
        raise EvidenceError(f"entry {index} is damaged in the log")
    if not record.salt:
        raise EvidenceError(f"PRUNED: retention has erased entry {index}")
    hashes = tuple(log.inclusion_proof(index))
    path.write_bytes(encode_proof(TlogProof(index, hashes, log.checkpoint, record.salt + record.entry)))
    return f"{path}: entry {index}, {len(hashes)} proof hashes"


def _open(folder: Path, args: argparse.Namespace, claim: BundleClaim) -> LogReader:
    """The log at a co-signed checkpoint when that is asked for, or when all that is asked for is under one.

    Of those that will do it is the one with the most cosignatures.
    """
    log = LogReader(folder, epoch=args.epoch)
    with closing(log):
        if args.cosigned:
            note = read_cosigned(folder, args.cosigned, log.epoch)
            if not note:
                raise LogError(f"{folder}: {args.cosigned} witnesses have not co-signed this log; ask for fewer")
            return LogReader(folder, note, log.epoch)
        notes = list(takewhile(bool, (read_cosigned(folder, number, log.epoch) for number in count(1))))
        end = _end(log, claim, args.entry)
        covering = [note for note in notes if parse_checkpoint(parse_note(note)).size >= end]
        return LogReader(folder, covering[-1] if covering else b"", log.epoch)


def _end(log: LogReader, claim: BundleClaim, entry: int | None) -> int:
    """One more than the highest index that is asked for; the keys' entries do not count."""
    if entry is not None:
        return entry + 1
    if claim.stream is None:
        return log.size
    head = log.head(claim.stream).head
    if claim.end is None or claim.end >= head.count:
        return head.last + 1
    return log.indexes_of(claim.stream, claim.end - 1, claim.end)[0] + 1


def _time_ms(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 2026-11-20T08:00") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
