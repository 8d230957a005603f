"""The way to a node, whatever it is: what commands need of it. Imports `wayside_wire` only."""

from typing import Protocol

from wayside_wire import link


class NoAnswer(Exception):
    """A node did not answer a command; the text says what was tried."""


class NodeLine(Protocol):
    """One node's. heard_s: monotonic time of its last word; told: what it counts itself."""

    @property
    def name(self) -> str: ...
    @property
    def board(self) -> str: ...
    @property
    def firmware(self) -> str: ...
    @property
    def boot(self) -> int: ...
    @property
    def connected(self) -> bool: ...
    @property
    def heard_s(self) -> float | None: ...
    @property
    def told(self) -> dict[str, int]: ...

    async def command(self, raw: bytes, number: int) -> link.CommandAnswer:
        """The answer to the signed command `raw`; NoAnswer when none comes."""

    def outcome(self, verb: str) -> str:
        """What a command that was answered with OK has come to, for the log."""
