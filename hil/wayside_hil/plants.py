"""The plants around one board, by the names of its bench file."""

from collections.abc import Mapping
from typing import Any

import pytest

from . import registry
from .world import World


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
        for name in self._wiring:
            if name in self:
                getattr(self, name)

    def add(self, name: str, kind: str, **wiring: Any) -> Any:
        """One more plant. PlantError."""
        known = registry.PLANTS.get(kind)
        if known is None:
            raise PlantError(f"{kind!r} is no kind of plant; there are {', '.join(sorted(registry.PLANTS))}")
        board = self._world.emulator
        if lack := known.needs - board.has:
            pytest.skip(f"{board.place} has no {', '.join(sorted(lack))}, which the plant {name} needs")
        try:
            made = self._made[name] = known.make(board, **wiring)
        except TypeError as error:
            where = f"its wiring is [plants.{name}] in the bench file, and a step takes the plant of its own name"
            raise PlantError(f"the plant {name}: {error}; {where}") from None
        if hasattr(made, "see") and hasattr(made, "settle"):
            self._world.plugs.append(made)
        return made
