"""One SunSpec model with its registers as they were read: its points by name, without floats.

Points of a group are named with it ("PFWInj.PF"); groups that repeat are curves (`sunspec_curves`).
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from wayside_wire import modbus_field

from .sunspec_model import definition


class PointPlace(NamedTuple):
    """Where a point is, in registers from the model's number on, and its definition."""

    at: int
    point: dict[str, Any]

    @property
    def size(self) -> int:
        """In registers."""
        return int(self.point["size"])

    @property
    def is_signed(self) -> bool:
        return str(self.point["type"]).startswith(("int", "sunssf"))


def places(group: dict[str, Any], at: int = 0, prefix: str = "") -> Iterator[tuple[str, PointPlace]]:
    """The points of a group in the order of its registers, with those of its groups that do not repeat."""
    for point in group["points"]:
        yield prefix + point["name"], PointPlace(at, point)
        at += int(point["size"])
    for each in group.get("groups", ()):
        if "count" in each:
            return
        inner = list(places(each, at, f"{prefix}{each['name']}."))
        yield from inner
        at = max(place.at + place.size for _, place in inner)


class Points:
    """`content`: the model's registers, from its number on."""

    def __init__(self, model: int, content: bytes):
        self.content = content
        self._places = {
            name: place for name, place in places(definition(model)) if 2 * (place.at + place.size) <= len(content)
        }

    @property
    def head(self) -> tuple[int, int]:
        """Number and length of the model as the device says them."""
        return int.from_bytes(self.content[:2], "big"), int.from_bytes(self.content[2:4], "big")

    def place(self, name: str) -> PointPlace | None:
        """None where the model is too short for the point."""
        return self._places.get(name)

    def raw(self, name: str) -> int | None:
        """What the point holds, None where the device does not implement it."""
        place = self._places.get(name)
        if place is None:
            return None
        bits = int.from_bytes(self.content[2 * place.at : 2 * (place.at + place.size)], "big")
        width = 16 * place.size
        if bits == (1 << width - 1 if place.is_signed else (1 << width) - 1):
            return None
        return modbus_field.signed(bits, width) if place.is_signed else bits

    def step(self, name: str) -> Fraction | None:
        """How much of its unit one count of the point is; None where its scale factor says nothing."""
        place = self._places.get(name)
        if place is None:
            return None
        scale = place.point.get("sf", 0)
        exponent = self.raw(scale) if isinstance(scale, str) else int(scale)
        if exponent is None or abs(exponent) > modbus_field.MOST_SCALE:
            return None
        return Fraction(10) ** exponent
