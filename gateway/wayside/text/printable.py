"""What strangers chose, such as a topic or a name, made fit for a terminal, a message or a page. Imports nothing.

A control character in it could move the cursor, begin another line or turn the direction of writing, and so say what
nobody said.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


def printable(text: object, most: int = 200) -> str:
    """One line of at most `most` characters; what cannot be printed is shown as its escape, such as \\x1b."""
    whole = str(text)
    cut = whole[: most + 1]
    if not cut.isprintable():
        cut = "".join(each if each.isprintable() else _escape(each) for each in cut)
    return cut if len(cut) <= most else cut[: most - 1] + "…"


def printable_lines(text: str) -> str:
    """The same of a text of several lines, whose line breaks and tabs stay; it is not cut."""
    if text.isprintable():
        return text
    lines = text.split("\n")
    return "\n".join(line if line.isprintable() else _with_escapes(line) for line in lines)


class Terminal:
    """A stream of text for people, such as sys.stdout, to which nothing but printable lines is written."""

    def __init__(self, out: TextIO):
        self._out = out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def write(self, text: str) -> int:
        self._out.write(printable_lines(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def controlled(out: TextIO) -> TextIO:
    """The stream behind a Terminal: for control sequences of our own, beside words that are printable already."""
    return out._out if isinstance(out, Terminal) else out


@contextmanager
def terminals() -> Iterator[None]:
    """Whatever the process prints while the block runs is printable."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Terminal(each)) for each in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _with_escapes(line: str) -> str:
    return "".join(each if each == "\t" or each.isprintable() else _escape(each) for each in line)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
