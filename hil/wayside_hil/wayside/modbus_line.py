"""Modbus on the bench's RS-485 line: meters of wayside.lab.plant, and a second master's request."""

from collections.abc import Callable

from wayside.lab.plant import answer_for
from wayside.lab.plant.serve import Slave
from wayside_wire import modbus

from ..rs485 import Answer


def meters(units: dict[int, Slave]) -> Answer:
    """How the devices at these unit addresses answer."""
    return framed(answer_for(units))


def framed(answer: Callable[[bytes], bytes | None]) -> Answer:
    """The frame that answers a frame, of the body that answers a body."""

    def answer_frame(frame: bytes) -> bytes | None:
        try:
            body = answer(modbus.rtu_body(frame))
        except modbus.ModbusError:
            return None
        return None if body is None else modbus.rtu_frame(body)

    return answer_frame


def request(unit: int = 1) -> bytes:
    """Two input registers from the first on."""
    return modbus.rtu_frame(bytes((unit, 4, 0, 0, 0, 2)))
