"""What came of a write, from its acknowledgement and from what the register reads afterwards."""

from typing import NamedTuple

from wayside_wire import modbus
from wayside_wire.modbus_guard import is_answer

_ACKNOWLEDGED = "acknowledged"

Outcome = bytes | modbus.ModbusError
"""The data of an answer (empty for a write), or why there is none."""


class WriteResult(NamedTuple):
    """What came of a write that took. found: what was read back, None where the device does not let it be read.

    text: for people; whether the write was acknowledged, and what it reads.
    """

    acknowledged: bool
    found: bytes | None
    text: str


def acknowledgement(wrote: Outcome) -> str:
    """What the answer to a write says; ModbusError when it was refused or could not be sent."""
    if not isinstance(wrote, modbus.ModbusError):
        return _ACKNOWLEDGED
    if wrote.kind == modbus.EXCEPTION and wrote.code == modbus.ACKNOWLEDGE:
        return _ACKNOWLEDGED
    if is_answer(wrote):
        raise modbus.ModbusError(wrote.kind, f"refused: {wrote.text}", wrote.code)
    if wrote.kind == modbus.LINK:
        raise modbus.ModbusError(wrote.kind, f"not acknowledged: {wrote.text}")
    return f"not acknowledged ({wrote.text})"


def only_acknowledged(wrote: Outcome) -> WriteResult:
    """How a write ended that nobody reads back; ModbusError unless it was acknowledged."""
    how = acknowledgement(wrote)
    if isinstance(wrote, modbus.ModbusError) and how != _ACKNOWLEDGED:
        raise modbus.ModbusError(wrote.kind, how, wrote.code)
    return WriteResult(True, None, how)


def may_settle(found: Outcome, registers: bytes) -> bool:
    """Whether a register that was written should be looked at once more."""
    if isinstance(found, modbus.ModbusError):
        return found.code in (modbus.BUSY, modbus.ACKNOWLEDGE)
    return found != registers


def written(how: str, found: Outcome, registers: bytes, settle_s: float) -> WriteResult:
    """How a write of `registers` ended whose register reads `found`; ModbusError when it did not take, or may not have.

    how: its `acknowledgement`; settle_s: how long the register has been looked at.
    """
    acknowledged = how == _ACKNOWLEDGED
    if found == registers:
        return WriteResult(acknowledged, registers, f"{how}, and reads as written")
    if not isinstance(found, modbus.ModbusError):
        text = f"{how}: wrote {registers.hex()}, reads {found.hex()} after {settle_s:g} s"
        raise modbus.ModbusError(modbus.COUNT, text)
    if is_answer(found) and acknowledged:
        return WriteResult(True, None, f"{how}; it cannot be read back: {found.text}")
    raise modbus.ModbusError(found.kind, f"{how}; whether it took is not known: {found.text}", found.code)
