"""The outputs of the core as a signal node knows them: lamp bits, and a draft of the matrix that it judges by."""

from collections.abc import Iterable
from itertools import combinations

from wayside_wire import signal_matrix
from wayside_wire.signal_frames import AMBER, DARK, FLASH, GREEN, RED

from wayside.control.signals.core import Lamp
from wayside.control.signals.junction import PEDESTRIAN, Junction

TICK_MS = 100

_BITS = {
    Lamp.DARK: DARK,
    Lamp.RED: RED,
    Lamp.RED_AMBER: RED | AMBER,
    Lamp.GREEN: GREEN,
    Lamp.AMBER: AMBER,
    Lamp.CLEARANCE: RED | FLASH,
    Lamp.FLASH_AMBER: AMBER | FLASH,
    Lamp.FLASH_RED: RED | FLASH,
}


def lamp_bytes(outputs: Iterable[Lamp]) -> bytes:
    """What an order says: one byte of lamp bits per channel."""
    return bytes(_BITS[lamp] for lamp in outputs)


def draft_matrix(name: str, junction: Junction, version: int = 1) -> str:
    """The text of a matrix for this junction, in the format of wayside_wire.signal_matrix.

    A draft: who signs it compares it with the plan on paper, or the monitor would share the mistakes of the controller.
    """
    used = [(number, group) for number, group in enumerate(junction.channels, 1) if group is not None]
    lines = [signal_matrix.HEADER, f"junction {name}", f"version {version}"]
    for number, channel in enumerate(junction.channels, 1):
        lines.append(f"channel {number} {_channel(junction, channel)}")
    for (a, one), (b, other) in combinations(used, 2):
        # Two channels of one group show the same.
        if one == other or frozenset((one, other)) in junction.compatible:
            lines.append(f"compatible {a} {b}")
        else:
            lines.append(f"clearance {a} {b} {TICK_MS * junction.intergreen[one, other]}")
            lines.append(f"clearance {b} {a} {TICK_MS * junction.intergreen[other, one]}")
    return "\n".join(lines) + "\n"


def _channel(junction: Junction, name: str | None) -> str:
    if name is None:
        return "- unused"
    group = junction.groups[junction.index[name]]
    if group.kind == PEDESTRIAN:
        return f"{name} pedestrian {group.flash}"
    return f"{name} vehicle {TICK_MS * group.amber} {TICK_MS * group.red_amber} {group.flash}"
