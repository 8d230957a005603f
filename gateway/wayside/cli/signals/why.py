"""`wayside signals why FOLDER FILE TIME`: why each group showed what it did."""

import argparse

from wayside.cli.signals import SignalsError
from wayside.cli.signals.load import load_site, local_time_ms
from wayside.control import journal
from wayside.control.signals.replay import replay
from wayside.control.signals.why import explain


def run(args: argparse.Namespace) -> int:
    site = load_site(args.file)
    at_ms = local_time_ms(site, args.time)
    moment = next(replay(site, journal.read(args.state), at_ms, at_ms + 100), None)
    if moment is None:
        raise SignalsError(f"{args.state}: nothing is known of {args.time}; the controller was not running then")
    print(f"asked: {moment.asked}\ncause: {moment.cause}")
    if not moment.is_sure:
        print("not sure: no entry follows that shows it; the controller may have ended before")
    for name, text in explain(site.junction, moment):
        print(f"{name:12}  {text}")
    return 0
