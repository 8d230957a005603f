"""A SunSpec device with any models, its registers laid out by the SunSpec Alliance's own definitions."""

from collections.abc import Iterable, Mapping

from wayside_wire import modbus

from wayside.south.modbus.sunspec_chain import BASES
from wayside.south.modbus.sunspec_model import definition

Points = Mapping[str, int | str]


class SunSpecDevice:
    """Holding registers from `base` on: the mark, the models in order, the end of the chain. Writes are kept.

    models: (number, points) of each model in the order of the chain, or a mapping; points: what the registers hold, as
    unsigned integer or text, others are "not implemented". end: what stands at the end of the chain.
    """

    def __init__(
        self,
        models: Mapping[int, Points] | Iterable[tuple[int, Points]],
        base: int = BASES[0],
        end: bytes = b"\xff\xff\x00\x00",
    ):
        self._base = base
        self.registers = bytearray(b"SunS")
        for number, points in models.items() if isinstance(models, Mapping) else models:
            layout = definition(number)["points"]
            length = sum(point["size"] for point in layout) - 2
            for point in layout:
                fixed = {"ID": number, "L": length}.get(point["name"])
                self.registers += _encode(point, points.get(point["name"], fixed))
        self.registers += end

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
