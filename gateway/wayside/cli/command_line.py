"""What every command line shares: arguments in any order, what was perhaps meant, bounds of numbers.

No command itself.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from wayside.text.unknown import unknown


class Parser(argparse.ArgumentParser):
    """Options stand before, between or behind the other arguments; a typing error is told what it resembles."""

    _is_second_look = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse has it, but the end: a command that has verbs leaves it to them."""
        if self._is_second_look or any(isinstance(each, argparse._SubParsersAction) for each in self._actions):
            return super().parse_known_args(args, namespace)
        self._is_second_look = True  # argparse asks itself twice: for the options, and then for the rest
        try:
            found, rest = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_second_look = False
        if rest:
            self._refuse(rest[0])
        return found, rest

    def _refuse(self, word: str) -> NoReturn:
        if word.startswith("-") and len(word) > 1:
            self.error(unknown("option", word.partition("=")[0], self._option_string_actions))
        self.error(f"{word}: one argument too many")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = action.metavar or action.dest
            raise argparse.ArgumentError(None, unknown(str(kind).lower(), str(value), map(str, action.choices)))


class VersionAction(argparse.Action):
    """Says which version this is and ends; looked up then only, for it takes a third of the start of a command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"wayside {version('wayside')}")
        parser.exit()


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `low` to `high`."""

    def read(text: str) -> int:
        digits = text.removeprefix("-") if low < 0 else text
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text[:40]!r}: write a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(text: str) -> float:
    """The type of an argument that is a time in seconds, more than 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 1e9:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: write a number of seconds such as 5 or 0.5")
    return number
