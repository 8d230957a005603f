"""`wayside signals diagram FOLDER FILE FROM TO`: what was shown in an interval, as SVG on stdout."""

import argparse

from wayside.cli.signals import SignalsError
from wayside.cli.signals.load import load_site, local_time_ms
from wayside.control import journal
from wayside.control.signals.diagram import draw
from wayside.control.signals.replay import replay

_LONGEST_MS = 3_600_000


def run(args: argparse.Namespace) -> int:
    site = load_site(args.file)
    begin_ms, end_ms = local_time_ms(site, args.begin), local_time_ms(site, args.end)
    if not 0 < end_ms - begin_ms <= _LONGEST_MS:
        raise SignalsError("TO has to be behind FROM, by an hour at most")
    moments = replay(site, journal.read(args.state), begin_ms, end_ms)
    print(draw(site.junction, moments, site.calendar.zone, f"{site.name} {args.begin} - {args.end}"), end="")
    return 0
