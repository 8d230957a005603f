"""The kinds of sinks, one file each. One more is one more file here, and nothing else.

The name of the file, with - for _, is the `kind` of a `[[sink]]` in the site file. It has a class `Kind`, on the base
that stands here; its `Options` are what `options` may say. A sink itself is what `north.sink` says; the conformance
suite in tests/north runs against each.
Read by every command that reads a site file, so a file here imports what a running sink needs in `make`, not before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from wayside.net.endpoint import parse_broker
from wayside.settings.kind_files import KindFiles, a_class, have_functions
from wayside.settings.table import Table
from wayside.values.expected import Expected

if TYPE_CHECKING:
    from wayside.net.mqtt.broker import Broker
    from wayside.net.mqtt.tls import Tls
    from wayside.north.sink import Sink, SinkLog


_OUR_TOPICS = re.compile(r"wayside/.+/(device|log)/.*|homeassistant/.*")
_MOST_TOPIC = 200  # characters


def _state_topic(topic: str) -> str:
    if not 0 < len(topic) <= _MOST_TOPIC or not topic.isprintable() or set(topic) & set("+#") or topic[0] == "$":
        raise ValueError(f"a topic has 1 to {_MOST_TOPIC} characters, no + or #, and does not begin with $")
    if _OUR_TOPICS.fullmatch(topic):
        raise ValueError('reports, batches or announcements go there; write another, such as "wayside/SITE/state"')
    return topic


class StateOptions(Table):
    """state_topic: where a retained "online" or "offline" says whether the sink is connected; "" for nowhere."""

    state_topic: Annotated[str, AfterValidator(_state_topic)] = ""


@dataclass(frozen=True, slots=True)
class FarSide:
    """Where a sink delivers to, and how the gateway shows itself there.

    `options`: the kind's own, as its Options. `devices`: of the whole site, and what is expected of each, for a kind
    that `announces` them; else none.
    """

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: "Tls | None" = None
    options: Any = None
    devices: Mapping[str, Expected] = field(default_factory=dict)

    @property
    def broker(self) -> "Broker":
        """Of an mqtt:// or mqtts:// URL."""
        from wayside.net.mqtt.broker import Broker

        return Broker.from_url(self.url, username=self.username, password=self.password, tls=self.tls)


class SinkKind:
    """A kind of sink; the base is for those that deliver to an MQTT broker."""

    schemes: tuple[str, ...] = ("mqtt", "mqtts")
    example = "mqtts://HOST:PORT"
    Options: type[Table] = Table
    """What `options` may say; Table: nothing."""
    has_users = True
    """Whether the far side asks for a user's name; else a password is a bearer token."""
    announces = False
    """Whether it says beforehand which devices there are."""

    def check(self, url: str) -> str:
        """`url`, which has one of the schemes; ValueError says what to write instead."""
        return parse_broker(url).text

    def make(self, far_side: FarSide, log: "SinkLog") -> "Sink":
        """OSError: a certificate cannot be used. Nothing is connected yet."""
        raise NotImplementedError

    def make_late(self, far_side: FarSide, log: "SinkLog") -> "Sink":
        """For the log of an epoch that has ended, whose entries are all late."""
        return self.make(far_side, log)


def _kind(module: Any) -> SinkKind:
    """ValueError: the file's Kind is none."""
    made: SinkKind = a_class(module, "Kind", SinkKind)()
    have_functions(type(made), " in its Kind", "make", base=SinkKind)
    a_class(made, "Options", Table)
    if not (isinstance(made.schemes, tuple) and made.schemes and all(isinstance(each, str) for each in made.schemes)):
        raise ValueError('write schemes = ("tcp",) in its Kind: what its url may begin with')
    return made


FILES = KindFiles(__name__, _kind, "-")


def load(kind: str) -> SinkKind:
    """The one of this name; KindFileError says what is wrong with its file."""
    return FILES.load(kind)
