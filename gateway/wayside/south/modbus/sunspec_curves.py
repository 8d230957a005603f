"""The curves of a SunSpec device (models 705 to 712) as people read them. Pure, no I/O.

A model has several sets of one curve or more, and the device follows the first; each has as many points as it says
itself (SunSpec DER Information Model Specification, section 3.1, curves).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from wayside_wire import modbus_field

from wayside.values.reading import format_value

from .sunspec_model import definition

MODELS = range(705, 713)
_MOST = 64  # curves, and points of one; more is no count
_HIDDEN = ("ID", "L", "ActPt", "Pad")

Values = Mapping[str, int | None]


class _Reader:
    """Walks the registers of a model in the order of its definition. head: the model's own points, when read."""

    def __init__(self, content: bytes):
        self._content = content
        self._at = 0
        self.head: Values = {}

    def points(self, group: Mapping[str, Any]) -> dict[str, int | None]:
        """The group's own points; EOFError where the model ends before."""
        found = {}
        for point in group["points"]:
            size = 2 * int(point["size"])
            data = self._content[self._at : self._at + size]
            if len(data) < size:
                raise EOFError
            self._at += size
            found[point["name"]] = _number(str(point["type"]), data)
        return found

    def shown(self, point: Mapping[str, Any], values: Values) -> str:
        """A value with its unit, or what its number means."""
        raw = values[point["name"]]
        if raw is None:
            return "-"
        symbols = {each["value"]: str(each["name"]).lower() for each in point.get("symbols", ())}
        scale = point.get("sf", 0)
        exponent = self.head.get(scale) if isinstance(scale, str) else int(scale)
        if exponent is None or abs(exponent) > modbus_field.MOST_SCALE:
            return f"{raw} (no scale factor)"
        return symbols.get(raw) or f"{format_value(raw, exponent)} {point.get('units', '')}".strip()


def lines(model: int, content: bytes) -> Iterator[str]:
    """What a model says. content: its registers, from its number on."""
    group, reader = definition(model), _Reader(content)
    try:
        reader.head = reader.points(group)
        yield f"{model} {group.get('label', group['name'])}: {_told(reader, group, reader.head)}"
        for inner in group.get("groups", ()):
            for number in range(1, _count(inner, reader.head) + 1):
                values = reader.points(inner)
                yield f"  {inner['name']} {number}: {_told(reader, inner, values)}"
                yield from _points_of(reader, inner, values)
    except EOFError:
        yield "  the model ends here: it is shorter than it says"


def _points_of(reader: _Reader, group: Mapping[str, Any], values: Values) -> Iterator[str]:
    """The points of a curve, or of each curve of a set."""
    for inner in group.get("groups", ()):
        if "count" not in inner:
            yield from _points_of(reader, {**inner, "label": inner["name"]}, reader.points(inner))
            continue
        active = values.get("ActPt")
        row = []
        for number in range(_count(inner, reader.head)):
            point = reader.points(inner)
            if active is None or number < active:
                row.append("/".join(reader.shown(each, point) for each in inner["points"]))
        name = f"{group['name']}: " if "ReadOnly" not in values else ""
        yield f"    {name}{', '.join(row) or 'no points'}"


def _told(reader: _Reader, group: Mapping[str, Any], values: Values) -> str:
    told = [
        f"{point['name']} {reader.shown(point, values)}"
        for point in group["points"]
        if point["name"] not in _HIDDEN and point["type"] != "sunssf" and values[point["name"]] is not None
    ]
    return ", ".join(told)


def _count(group: Mapping[str, Any], head: Values) -> int:
    count = group.get("count", 1)
    number = head.get(count) if isinstance(count, str) else int(count)
    return min(number or 0, _MOST)


def _number(kind: str, data: bytes) -> int | None:
    bits, width = int.from_bytes(data, "big"), 8 * len(data)
    if kind.startswith(("int", "sunssf")):
        return None if bits == 1 << width - 1 else modbus_field.signed(bits, width)
    return None if bits == (1 << width) - 1 else bits
