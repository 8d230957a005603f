"""Plants and steps by their names: one file each, here or in anybody's conftest.py.

    from wayside_hil.registry import plant, step

    @plant("buzzer", needs={"pins"})
    def buzzer(board, pin: int):
        return Buzzer(board, pin)            # what has see() and settle() is shown what the board does

    @step("buzzes", wants=("buzzer",))
    def buzzes(dut, times: int, within_ns: int):
        dut.world.until(lambda: dut.plants.buzzer.count >= times, f"{times} times", within_ns)

A step stands in a scenario by its name, with the value that its second parameter says: `buzzes = 3`. `deed` makes one
without a value: `do = "press the button"`.
"""

import importlib
import inspect
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

_OUR_FILES = ("contact", "crystal", "led", "rs485_plant", "supply", "uart_peer", "steps", "wokwi_steps")


class PlantKind(NamedTuple):
    """A plant that can be made: make(board, **wiring). needs: what the board has to have (`board.Board.has`)."""

    make: Callable[..., Any]
    needs: frozenset[str]


class TestStep(NamedTuple):
    """run(dut, value, within_ns). value: the annotation of its value; wants: names of plants."""

    run: Callable[..., Any]
    value: Any
    wants: tuple[str, ...]


Made = Callable[..., Any]

PLANTS: dict[str, PlantKind] = {}
STEPS: dict[str, TestStep] = {}
DEEDS: dict[str, TestStep] = {}


def plant(name: str, needs: Collection[str] = ()) -> Callable[[Made], Made]:
    """Registers what makes this kind of plant."""

    def register(make: Made) -> Made:
        PLANTS[name] = PlantKind(make, frozenset(needs))
        return make

    return register


def step(name: str, wants: tuple[str, ...] = ()) -> Callable[[Made], Made]:
    """Registers run(dut, value, within_ns) as a scenario's step of this name."""

    def register(run: Made) -> Made:
        _, value, *_ = inspect.signature(run, eval_str=True).parameters.values()
        STEPS[name] = TestStep(run, value.annotation, wants)
        return run

    return register


def deed(name: str, wants: tuple[str, ...] = ()) -> Callable[[Made], Made]:
    """Registers run(dut) as `do = name` of a scenario."""

    def register(run: Made) -> Made:
        DEEDS[name] = TestStep(run, None, wants)
        return run

    return register


def load() -> None:
    """Registers what the bench itself has."""
    for name in _OUR_FILES:
        importlib.import_module(f".{name}", __package__)
