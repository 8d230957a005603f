"""A part of a gateway, and what the table of the site file that asks for one says before it is made."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from os.path import realpath
from typing import Any, NamedTuple, Protocol

from wayside.net.endpoint import Address
from wayside.net.node_line import NodeLine
from wayside.parts.about import About
from wayside.runtime.pulse import Pulse
from wayside.runtime.supervise import Work
from wayside.settings.table import Table
from wayside.values.carrier import Carrier, Controllable
from wayside.values.expected import Expected


@dataclass(frozen=True, slots=True)
class Uplink:
    """A way out of the site that somebody relies on. owes(size): how many of so many entries are not delivered yet.

    brings_operators: by it they reach the gateway; by the others what is logged leaves it.
    """

    name: str
    is_connected: Callable[[], bool]
    last_error: Callable[[], str]
    owes: Callable[[int], int] = lambda size: 0
    brings_operators: bool = False


class BeginningError(Exception):
    """A beginning of a counter that cannot be accepted; the text says why."""


class CounterBeginnings(Protocol):
    """Judges by a counter whether what devices say is new; a counter that starts anew is for a person to accept."""

    def status(self) -> Mapping[str, Mapping[str, Any]]:
        """By device what came, and "restarted": what its counter does, or nothing."""

    def accept(self, device: str) -> str:
        """Take the new beginning; what was done, in words. BeginningError when there is none."""


class Commanded(Protocol):
    """A control of a device that people and programs may command, by requests that end."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> Controllable: ...

    def ask(self, who: str, number: str, seconds: float, priority: int) -> str:
        """Take a request of `who` for a number of its unit; what came of it, in words. ValueError: it is not taken."""

    def renew(self, who: str, number: str, seconds: float, priority: int) -> None:
        """As ask(), by who asks again before each of his requests ends: the same only holds for longer."""

    def withdraw(self, who: str) -> str:
        """Take back what `who` asked for; ValueError when that is nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """`works`: its tasks, by names that no other part uses.

    `abouts`: what it says about itself, for all that shows the gateway. `pulses`: how each of its tasks is seen to
    move, under the task's name; one that only answers those who come has none. `things`: what other parts ask of it
    beside that. `close`: what is to be done when its tasks have been stopped. What the daemon itself uses: `lines` to
    nodes that take commands, `uplinks`, `counts` that a person judges, what may be `commanded`. `carriers`: by which
    others command devices.
    """

    works: Mapping[str, Work]
    abouts: tuple[About, ...] = ()
    pulses: tuple[Pulse, ...] = ()
    things: tuple[object, ...] = ()
    close: Callable[[], None] = lambda: None
    lines: tuple[NodeLine, ...] = ()
    uplinks: tuple[Uplink, ...] = ()
    counts: tuple[CounterBeginnings, ...] = ()
    commanded: tuple[Commanded, ...] = ()
    carriers: tuple[Carrier, ...] = ()


@dataclass(frozen=True, slots=True)
class PartPlan:
    """`settings`: all that `make` looks at and that may change. `is_north`: stopped last, to send what came last.

    `is_over_devices`: stopped first, to leave devices as they are to be, by parts that still run.
    """

    make: Callable[[], Part]
    settings: object = None
    is_north: bool = False
    is_over_devices: bool = False


Plans = Mapping[str, PartPlan]


Key = tuple[int | str, ...]
"""The way to a key of a table: ("device", 0, "unit")."""


class Claim(NamedTuple):
    """What one table of a site has for itself: `what` it is ("port"), which one, and the key that says so.

    advice: to who has written it twice. among: others of this name do no harm, unless one of the two is for all ("").
    """

    what: str
    name: str
    key: Key
    advice: str = "give each its own"
    among: str = ""


DEVICE, PORT = "device", "port"
"""What is claimed by several kinds."""


def port(path: str, key: Key, advice: str = "give each its own") -> Claim:
    """A serial port: exactly one task owns each. By the device, for udev has several names for one."""
    return Claim(PORT, realpath(path), key, advice)


def listening(place: Address, key: Key) -> Claim:
    """Where a server of the gateway listens: only one can, and one that listens everywhere does so there, too."""
    host = {"localhost": "127.0.0.1", "0.0.0.0": "", "::": ""}.get(place.host, place.host)
    return Claim("listening port", str(place.port), key, among=host)


class Mention(NamedTuple):
    """A device that a table speaks of and another one brings, or one of its channels, and the key that says so.

    or_journal: the name of a controller's journal will do as well.
    """

    device: str
    key: Key
    channel: str | None = None
    or_journal: bool = False


class ControlUse(Enum):
    """What a table wants of a control: to HOLD it alone, for all who ask; to begin a TIMER with it; to ASK at the desk
    of who holds it."""

    HOLD = "hold"
    TIMER = "timer"
    ASK = "ask"


class Setting(NamedTuple):
    """What a table may have written: to which control of which device, which number, and the keys that say so.

    number: in the control's unit; of a TIMER a whole number of seconds; None: none that is known beforehand.
    has_own_timer: whether a timer ends it that the control has itself, or one of another control; None: no timer does.
    """

    device: str
    device_key: Key
    control: str
    control_key: Key
    number: Decimal | None
    number_key: Key
    use: ControlUse = ControlUse.HOLD
    has_own_timer: bool | None = None


class Signer(NamedTuple):
    """Who signs packs with a key of its own, and for which devices. public_key: where the site file names it."""

    name: str
    public_key: bytes | None
    devices: Sequence[str]


def signer_claims(signer: Signer, key: Key) -> Iterator[Claim]:
    """What a signer has for itself, whose table is at `key` and has the keys `name` and `public_key`."""
    yield Claim("node", signer.name, (*key, "name"))
    if signer.public_key:
        yield Claim("node key", signer.public_key.hex(), (*key, "public_key"))


class Settings(Table):
    """A table of the site file that asks for a part; it stands beside the code that the part is made of.

    What it names is collected from all tables, and checked whole: nothing else has to know the table.
    """

    def title(self) -> str:
        """What the part is called, in a site in which no other is called so."""
        raise NotImplementedError

    def expected(self) -> Mapping[str, Expected]:
        """The devices of which the part brings readings, and what is expected of each."""
        return {}

    def journals(self) -> Iterable[str]:
        """The journals of controllers whose entries it brings."""
        return ()

    def claims(self) -> Iterable[Claim]:
        """What no other table of the site may have. The names of its devices and journals are among it."""
        return ()

    def mentions(self) -> Iterable[Mention]:
        """What it speaks of and another table has to bring."""
        return ()

    def sets(self) -> Iterable[Setting]:
        """What of other tables' devices it may command."""
        return ()

    def signed_here(self) -> Iterable[str]:
        """Those of the devices that have no key of their own: the gateway signs their packs."""
        return ()

    def signers(self) -> Iterable[Signer]:
        """Who signs the packs of the others."""
        return ()

    def profiles(self) -> Mapping[str, str]:
        """By device, the label of the profile that says what its registers mean, where one does."""
        return {}
