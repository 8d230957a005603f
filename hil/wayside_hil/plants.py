"""The plants around one board, by the names of its bench file."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import pytest

from . import registry
from .world import World

_WRITTEN = {int: "a whole number", str: "a text in quotes", bool: "true or false"}
_MOST = {"pin": 29, "uart": 1}  # by the last word of an argument's name


class PlantError(Exception):
    """There is no such plant, or it cannot be made like this; the text says what to write."""


class Plants:
    """`plants.NAME` is made when it is touched first; a board that lacks what it needs skips the test."""

    def __init__(self, world: World, wiring: Mapping[str, Mapping[str, Any]]):
        """wiring: the arguments of each plant by its name, with "kind" where that is not its name."""
        registry.load()
        self._world = world
        self._wiring = wiring
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._made:
            wiring = dict(self._wiring.get(name, {}))
            self.add(name, wiring.pop("kind", name), **wiring)
        return self._made[name]

    def __contains__(self, name: str) -> bool:
        """Whether this board can have it."""
        kind = registry.PLANTS.get(self._wiring.get(name, {}).get("kind", name))
        return name in self._made or (kind is not None and kind.needs <= self._world.emulator.has)

    def make_all(self) -> None:
        """Those of the bench file that this board can have: from power-up on they are there."""
        for name, wiring in self._wiring.items():
            _known(wiring.get("kind", name))
            if name in self:
                getattr(self, name)

    def add(self, name: str, kind: str, **wiring: Any) -> Any:
        """One more plant. PlantError."""
        known = _known(kind)
        board = self._world.emulator
        if lack := known.needs - board.has:
            pytest.skip(f"{board.place} has no {', '.join(sorted(lack))}, which the plant {name} needs")
        _check(name, known.make, wiring)
        try:
            made = self._made[name] = known.make(board, **wiring)
        except TypeError as error:
            where = f"its wiring is [plants.{name}] in the bench file, and a step takes the plant of its own name"
            raise PlantError(f"the plant {name}: {error}; {where}") from None
        if hasattr(made, "see") and hasattr(made, "settle"):
            self._world.plugs.append(made)
        return made


def _known(kind: str) -> registry.PlantKind:
    known = registry.PLANTS.get(kind)
    if known is None:
        raise PlantError(f"{kind!r} is no kind of plant; there are {', '.join(sorted(registry.PLANTS))}")
    return known


def _check(name: str, make: Callable[..., Any], wiring: dict[str, Any]) -> None:
    """What is no pin, or a text in the place of a number, is no wiring: a test would look at nothing, and pass."""
    for key, parameter in signature(make).parameters.items():
        if key not in wiring:
            continue
        value, kind = wiring[key], parameter.annotation
        if kind in (int, str, bool) and type(value) is not kind:
            raise PlantError(f"the plant {name}: {key} is {value!r}: write {_WRITTEN[kind]}")
        most = _MOST.get(key.rpartition("_")[2])
        if most is not None and value is not None and (type(value) is not int or not 0 <= value <= most):
            raise PlantError(f"the plant {name}: {key} is {value!r}: an RP2040 has 0 to {most}")
