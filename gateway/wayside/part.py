"""A part of a gateway, and what the table of the site file that asks for one says before it is made.

Imports `about`, `pulse`, `supervise`, `expected` and `table` only: whatever is made a part of may import this.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wayside.about import About
from wayside.expected import Expected
from wayside.pulse import Pulse
from wayside.supervise import Work
from wayside.table import Table


@dataclass(frozen=True, slots=True)
class Part:
    """`works`: its tasks, by names that no other part uses.

    `abouts`: what it says about itself, for all that shows the gateway. `pulses`: how each of its tasks is seen to
    move, under the task's name; one that only answers those who come has none. `things`: what other parts ask of it
    beside that. `close`: what is to be done when its tasks have been stopped.
    """

    works: Mapping[str, Work]
    abouts: tuple[About, ...] = ()
    pulses: tuple[Pulse, ...] = ()
    things: tuple[object, ...] = ()
    close: Callable[[], None] = lambda: None


class Settings(Table):
    """A table of the site file that asks for a part; it stands beside the code that the part is made of.

    What it names is collected from all tables, and checked whole: nothing else has to know the table.
    """

    def title(self) -> str:
        """What the part is called, in a site in which no other is called so."""
        raise NotImplementedError

    def looks_at_devices(self) -> bool:
        """Whether what it asks for depends on the devices of the whole site."""
        return False

    def devices(self) -> Mapping[str, Expected]:
        """The devices of which the part brings readings, and what is expected of each."""
        return {}

    def signed_here(self) -> Iterable[str]:
        """Those of the devices that have no key of their own: the gateway signs their packs."""
        return ()
