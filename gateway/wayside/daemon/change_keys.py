"""A change of who may sign, for a command: through the gateway that runs, or into its log where none does."""

from pathlib import Path

from wayside.daemon import manage
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.stream import KEYS
from wayside.log import Append
from wayside.runtime.clock import SystemClock
from wayside.site import config, state
from wayside.site import log as site_log
from wayside.site.config import SiteFile
from wayside.trust.changes import Request, bodies_for
from wayside.trust.registry import RegistryError


def change_keys(site: SiteFile, path: Path, request: Request) -> int:
    """How many entries the change took, 0 where the log says so already.

    RegistryError, SiteFileError, LogError, OSError.

    path: of the site file.
    """
    answer = manage.ask(state.state_folder(site, path) / manage.SOCKET, request)
    if answer is None:
        return _change_alone(site, path, request)
    if not answer.get("ok"):
        raise RegistryError(str(answer.get("error")))
    return int(answer["entries"])


def _change_alone(site: SiteFile, path: Path, request: Request) -> int:
    clock = SystemClock()
    # The file with its profiles: who opens the log writes into it what they are.
    opened = site_log.open_site_log(config.load(path), path, clock)
    try:
        bodies = bodies_for(request, opened.keyring, site.site.name, site_log.devices_of_nodes(site))
        now = (clock.utc_ms(), clock.time_quality())
        if bodies:
            opened.log.append_entries([Append(KEYS, encode_unplaced(*now, body)) for body in bodies])
        return len(bodies)
    finally:
        opened.log.close()
