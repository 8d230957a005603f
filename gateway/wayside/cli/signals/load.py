"""What several verbs read: a junction file, a local time."""

from datetime import datetime
from pathlib import Path

from wayside.cli.signals import SignalsError
from wayside.control.signals.loader import JunctionFileError, load
from wayside.control.signals.site import Site


def load_site(path: Path) -> Site:
    """The site in the file; SignalsError with every problem."""
    try:
        return load(path)
    except JunctionFileError as error:
        raise SignalsError(str(error)) from None


def local_time_ms(site: Site, text: str) -> int:
    """Milliseconds since 1970 of a time at the junction, or of one with an offset; SignalsError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SignalsError(f'{text}: is no time; write one such as "2026-11-23 08:15:30"') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=site.calendar.zone)
    return int(moment.timestamp() * 1000)
