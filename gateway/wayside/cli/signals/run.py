"""`wayside signals run FILE`: the controller of a junction, until it is stopped; the node then flashes."""

import argparse
from collections.abc import Callable, Mapping

from wayside_wire.signal_matrix import place

from wayside.cli.signals import SignalsError, make_folder, read_key, say
from wayside.cli.signals.load import load_site
from wayside.cli.signals.serve import serve
from wayside.control.head_line import HeadLine, LineError, open_port
from wayside.control.journal import Appender, Journal
from wayside.control.signals.adaptive import Adaptive
from wayside.control.signals.controller import Controller
from wayside.control.signals.events import Events
from wayside.control.signals.feed import Feed
from wayside.control.signals.remote import PlanRequestDesk
from wayside.control.signals.site import Site
from wayside.control.signals.zones import Zones, ZonesError
from wayside.evidence.kinds import CommandBody
from wayside.runtime.clock import Clock, SystemClock


def run(args: argparse.Namespace) -> int:
    return control(args, SystemClock())


def control(args: argparse.Namespace, clock: Clock) -> int:
    """The same with a clock of one's own."""
    site = load_site(args.file)
    key = read_key(args.key)
    make_folder(args.state)
    appender = Appender(say)
    journal = Journal(args.state, appender, clock)
    events = Events(site, args.state, appender, site.calendar.zone)
    feed = Feed(site, args.state)

    def note(what: str, outcome: str, origin: str) -> None:
        say(f"request {what} by {origin or 'nobody'}: {outcome}")
        journal.add(CommandBody("signals", origin, what, outcome))

    try:
        line = HeadLine(open_port(args.port, args.baud), key, place(site.name, site.version))
        desk = PlanRequestDesk(site, args.state, note)
        adviser = Adaptive(site.junction, site.approaches, site.exits, site.plans.values()) if site.approaches else None
        zones = _zones(site, args.broker, clock)
        controller = Controller(site, line, clock, appender, journal, events, say, adviser, desk, zones)
        say(f"controlling {site.name}")

        def tick(now: float) -> str:
            picture = controller.tick(now)
            feed.show(picture)
            return f"flash: {picture.disturbance}" if picture.disturbance else picture.decision.level.name.lower()

        serve(line.port, controller.hear, tick)
    except (LineError, ZonesError) as error:
        raise SignalsError(str(error)) from None
    finally:
        appender.close()
    return 0


def _zones(site: Site, broker: str, clock: Clock) -> Callable[[], Mapping[str, bool | None]]:
    zones = Zones(site.detectors, clock.monotonic)
    if broker:
        zones.subscribe(broker)
    elif any(each.topic for each in site.detectors):
        raise SignalsError("the junction file has detectors with topics: name their --broker")
    return zones.occupied
