"""`wayside desk replay SITE CONTROLLER`: each decision of a controller, made again from what its entry says it knew.

Exit status: 0 all follow, 1 one does not or cannot be made again, 2 there is no log or nothing of this controller.
"""

import argparse
import sys
from collections import Counter
from contextlib import closing

from wayside.control.decided import Asks, replay
from wayside.evidence import EvidenceError
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.kinds import DecisionBody
from wayside.evidence.stream import journal_stream
from wayside.log import LogError, LogReader
from wayside.site import config
from wayside.site.state import state_folder
from wayside.text.printable import printable
from wayside.text.unknown import unknown
from wayside.text.utc import utc

_LONGEST = 1000
_FOLLOWS, _GONE = "follow from what was known", "are not there any more"


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load_without_profiles(args.site)
        with closing(LogReader(state_folder(site, args.site) / "log")) as log:
            stream, streams = journal_stream(args.controller), [head.stream for head in log.streams()]
            if stream not in streams:
                names = [
                    each.removeprefix(journal_stream("")) for each in streams if each.startswith(journal_stream(""))
                ]
                raise config.SiteFileError(
                    [f"the log has nothing of it: {unknown('controller', args.controller, names)}"]
                )
            counts: Counter[str] = Counter()
            for record in log.stream(stream):
                if not record.salt:
                    counts[_GONE] += 1
                    continue
                counts[_replay(decode_entry(record.entry))] += 1
    except (config.SiteFileError, LogError) as error:
        print(f"wayside desk replay: {error}", file=sys.stderr)
        return 2
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{args.controller}: {counts.total()} decisions: {told}")
    return 0 if counts.keys() <= {_FOLLOWS, _GONE} else 1


def _replay(entry: Entry) -> str:
    """Which kind of decision it is; what does not follow is told."""
    at = utc(entry.logged_at_ms)
    try:
        if not isinstance(entry.body, DecisionBody):
            raise EvidenceError("is no decision")
        made = replay(entry.body)
    except EvidenceError as error:
        print(printable(f"{at}: entry {entry.number} {error}", _LONGEST), file=sys.stderr)
        return "cannot be made again"
    if made.follows:
        return _FOLLOWS
    decided, again = _shown(made.decided), _shown(made.again)
    text = f"{at}: entry {entry.number} decided {decided}; from the same comes {again}"
    print(
        printable(f"{text}: another version of the software decided, or another one is here", _LONGEST), file=sys.stderr
    )
    return "do not follow"


def _shown(asks: Asks) -> str:
    return ", ".join(
        f"{name} {'nothing' if ask.number is None else ask.number} ({ask.why})" for name, ask in asks.items()
    )
