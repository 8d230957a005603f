"""A SunSpec device with any models, its registers laid out by the SunSpec Alliance's own definitions."""

from collections.abc import Iterable, Mapping
from typing import Any

from wayside_wire import modbus

from wayside.south.modbus.sunspec_chain import BASES
from wayside.south.modbus.sunspec_model import definition

Points = Mapping[str, Any]
"""What the points hold, as unsigned integer or text; of a group that stands once the same for its points, of one that
is repeated a list of such."""


class SunSpecDevice:
    """Holding registers from `base` on: the mark, the models in order, the end of the chain. Writes are kept.

    models: (number, points) of each model in the order of the chain, or a mapping; points that are not named are "not
    implemented". end: what stands at the end of the chain. places: (model, point) -> offset and size in bytes, of the
    first model of a number and the points that are not repeated.
    """

    def __init__(
        self,
        models: Mapping[int, Points] | Iterable[tuple[int, Points]],
        base: int = BASES[0],
        end: bytes = b"\xff\xff\x00\x00",
    ):
        self._base = base
        self.registers = bytearray(b"SunS")
        self.places: dict[tuple[int, str], tuple[int, int]] = {}
        for number, points in models.items() if isinstance(models, Mapping) else models:
            start = len(self.registers)
            self._lay(number, definition(number), points, "")
            length = points.get("L", (len(self.registers) - start) // 2 - 2)
            head = points.get("ID", number) << 16 | length
            self.registers[start : start + 4] = head.to_bytes(4, "big")
        self.registers += end

    def get(self, model: int, point: str) -> int:
        """What a point holds, unsigned."""
        at, size = self.places[model, point]
        return int.from_bytes(self.registers[at : at + size], "big")

    def put(self, model: int, point: str, value: int) -> None:
        """Let a point hold a value, signed or not."""
        at, size = self.places[model, point]
        self.registers[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big")

    def read(self, function: int, address: int, count: int) -> bytes:
        """Registers as they go on the line; exception 1 or 2 for what is not there."""
        if function != modbus.READ_HOLDING:
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_FUNCTION)
        start = self._place(address, count)
        return bytes(self.registers[start : start + 2 * count])

    def write(self, address: int, registers: bytes) -> None:
        """Keep what is written; exception 2 outside the models."""
        start = self._place(address, len(registers) // 2)
        self.registers[start : start + len(registers)] = registers

    def _lay(self, number: int, group: Mapping[str, Any], points: Points, prefix: str | None) -> None:
        for point in group["points"]:
            data = _encode(point, points.get(point["name"]))
            if prefix is not None:
                self.places.setdefault((number, prefix + point["name"]), (len(self.registers), len(data)))
            self.registers += data
        for inner in group.get("groups", ()):
            given, name = points.get(inner["name"], {}), inner["name"]
            if isinstance(given, Mapping):
                if "count" not in inner:
                    self._lay(number, inner, given, None if prefix is None else f"{prefix}{name}.")
                continue
            for one in given:
                self._lay(number, inner, one, None)

    def _place(self, address: int, count: int) -> int:
        start = 2 * (address - self._base)
        if start < 0 or start + 2 * count > len(self.registers):
            raise modbus.ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        return start


def _encode(point: Mapping[str, object], value: int | str | None) -> bytes:
    size = 2 * int(str(point["size"]))
    kind = str(point["type"])
    if isinstance(value, str):
        return value.encode().ljust(size, b"\x00")
    if value is not None:
        return (value % (1 << 8 * size)).to_bytes(size, "big")
    if kind.startswith(("acc", "string")):
        return bytes(size)
    if kind.startswith(("int", "sunssf", "pad")):
        return b"\x80".ljust(size, b"\x00")
    return b"\xff" * size
