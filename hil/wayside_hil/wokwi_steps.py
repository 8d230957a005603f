"""The steps of Wokwi's scenarios, on any target."""

import re
from typing import Any

from .dut import BoardDut
from .registry import step
from .targets.wokwi import WokwiBoard

_UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}


@step("wait-serial")
def wait_serial(dut: BoardDut, text: str, within_ns: int) -> None:
    dut.expect_exact(text, timeout=within_ns / 1e9)


@step("write-serial")
def write_serial(dut: BoardDut, data: str | list[int], within_ns: int) -> None:
    """As it stands, without a key behind it."""
    dut.write(data.encode() if isinstance(data, str) else bytes(data))


@step("delay")
def delay(dut: BoardDut, span: str, within_ns: int) -> None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s)", span.strip())
    assert found, f"delay: {span!r}: write a number with its unit, such as 500ms"
    dut.world.run_for(round(float(found[1]) * _UNITS[found[2]]))


@step("set-control")
def set_control(dut: BoardDut, what: dict[str, Any], within_ns: int) -> None:
    """Of a plant: its method set_control(control, value), or set(value) of one that has only one control."""
    part, control, value = _keys("set-control", what, "part-id", "control", "value")
    if isinstance(dut.board, WokwiBoard):
        dut.board.control(part, control, value)
        return
    plant = getattr(dut.plants, part.replace("-", "_"))
    if hasattr(plant, "set_control"):
        plant.set_control(control, value)
    else:
        plant.set(bool(value))


@step("expect-pin")
def expect_pin(dut: BoardDut, what: dict[str, Any], within_ns: int) -> None:
    _, pin, value = _keys("expect-pin", what, "part-id", "pin", "value")
    number = int(str(pin).upper().removeprefix("GP"))
    level = dut.pins.levels.get(number)
    assert level == value, f"expect-pin: pin {number} is {level}, not {value}"


def _keys(name: str, what: dict[str, Any], *keys: str) -> list[Any]:
    assert set(what) == set(keys), f"{name}: it has {', '.join(what)}, and needs {', '.join(keys)}"
    return [what[key] for key in keys]
