"""What every gateway has, for the parts that are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wayside.clock import Clock
from wayside.daemon.clients import Clients
from wayside.expected import Expected
from wayside.image import ProcessImage
from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.remote.inbox import Inbox
from wayside.site.log import SiteLog
from wayside.trust.registry import Doorkeeper


@dataclass(frozen=True, slots=True)
class Core:
    """What parts are made of beside their settings. `path`: the site file; `state`: the state folder."""

    path: Path
    state: Path
    clock: Clock
    image: ProcessImage
    committer: Committer
    intake: Intake
    door: Doorkeeper
    opened: SiteLog
    inbox: Inbox
    belief: Belief
    clients: Clients
    devices: Mapping[str, Expected] = field(default_factory=dict)
    """Of the whole site, for a table that looks at them."""
