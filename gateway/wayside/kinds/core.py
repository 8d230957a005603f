"""What every gateway has, for the parts that are made of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.kinds.clients import Clients
from wayside.parts.part import Commanded
from wayside.parts.picture import Picture
from wayside.remote.inbox import Inbox
from wayside.runtime.clock import Clock
from wayside.site.log import SiteLog
from wayside.trust.registry import Doorkeeper
from wayside.values.carrier import Carrier
from wayside.values.image import ProcessImage


@dataclass(frozen=True, slots=True)
class Core:
    """What parts are made of beside their settings.

    `site`: its name; `path`: the site file; `state`: the state folder. draw(): what all parts say now; reload(): asks
    that the site file be taken up; end_epoch(): a witness knows what the log does not hold. carriers(): those by which
    devices are commanded now; commanded(): what may be, by requests; command(request, who): what came of one that
    somebody else wrote.
    """

    site: str
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
    draw: Callable[[], Picture]
    reload: Callable[[], None]
    end_epoch: Callable[[], None]
    carriers: Callable[[], Sequence[Carrier]]
    commanded: Callable[[], Sequence[Commanded]]
    command: Callable[[Mapping[str, Any], str], dict[str, Any]]
    handed_over: dict[str, Any] = field(default_factory=dict)
    """What a part that has ended leaves to the one that takes its place, by a name of their own."""
