"""A board and the plants around it, in lock-step: short runs of the board, then each plant sees what it did."""

from collections.abc import Callable
from typing import Protocol

from .board import Board
from .events import Event


class Plug(Protocol):
    """A plant on some of the board's pins."""

    def see(self, event: Event) -> None:
        """Something that the board did."""

    def settle(self, now_ns: int) -> None:
        """All events up to now were seen: answer."""


class World:
    """`events` keeps everything that the board did."""

    # Longer than a byte and shorter than any pause that a plant answers after: what they send is scheduled to the bit.
    STEP_NS = 1_000_000

    def __init__(self, board: Board, *plugs: Plug):
        self.emulator = board
        self.plugs = list(plugs)
        self.events: list[Event] = []
        self.neighbours = [self]

    @property
    def now(self) -> int:
        """Nanoseconds of the board's time: simulated where it is."""
        return self.emulator.now

    def run_for(self, span_ns: int) -> None:
        """Let everything go on for this long."""
        end = self.now + span_ns
        while self.now < end:
            self.step()

    def until(self, condition: Callable[[], bool], what: str, patience_ns: int | None = None) -> int:
        """Go on until the condition holds; returns the time. AssertionError when `patience_ns` is over: 30 s where time
        is simulated, 120 where it is real: a shared machine pauses."""
        patience_ns = patience_ns or (120 if self.emulator.real_time else 30) * 1_000_000_000
        end = self.now + patience_ns
        while not condition():
            seconds = "seconds" if self.emulator.real_time else "simulated seconds"
            assert self.now < end, f"{what}: not within {patience_ns / 1e9:.1f} {seconds}"
            self.step()
        return self.now

    def step(self) -> None:
        """A millisecond, for the neighbours too: their boards work beside each other, their plants one by one."""
        for world in self.neighbours:
            world.emulator.start_run(self.STEP_NS)
        for world, seen in [(world, world.emulator.end_run()) for world in self.neighbours]:
            world.show(seen)

    def show(self, seen: list[Event]) -> None:
        """Let the plants see what the board did, up to now."""
        self.events += seen
        for event in seen:
            for plug in self.plugs:
                plug.see(event)
        for plug in self.plugs:
            plug.settle(self.now)


def join(*worlds: World) -> None:
    """Let their time be one: what is between them, such as the air, is then right to a millisecond at worst. Boards in
    real time have one already, whenever each came onto the bench."""
    simulated = {world.now for world in worlds if not world.emulator.real_time}
    assert len(simulated) <= 1, "their clocks differ"
    for world in worlds:
        world.neighbours = list(worlds)
