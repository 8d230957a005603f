"""Looks through the text of a TOML file before the parser does, in one pass, and refuses what would cost too much.

tomllib bounds nothing itself: 40 KB of one dotted key take it 24 s and 2.3 GB, because it walks every beginning of a
key; nested lists end in a RecursionError, and a whole number of 5,000 digits in a ValueError of another kind. What is
bounded here keeps its work proportional to the text. Imports nothing of the gateway.
"""

import re

MAX_BYTES = 256 * 1024
MAX_ITEMS = 20_000  # keys, elements of lists, tables and lists together
MAX_PARTS = 16  # of a dotted key
MAX_DEPTH = 16  # lists and inline tables within each other
MAX_WORD = 128  # characters of a bare key, a number or a date

# Every alternative is one run or one character, so that a search takes time in proportion to what it passes over.
_MARK = re.compile(r'[A-Za-z0-9_+\-]+|"""|\'\'\'|["\'#.\n=,\[\]{}]')
# Of each kind of text: what ends it, or what hides an end. A text on one line also ends, wrongly, with its line.
_ENDS = {
    '"': re.compile(r'\\.|["\n]', re.DOTALL),
    "'": re.compile(r"['\n]"),
    '"""': re.compile(r'\\.|"{3,5}', re.DOTALL),
    "'''": re.compile(r"'{3,5}"),
}


class TooCostlyError(ValueError):
    """`line` of the text, and a reason that says what to do."""

    def __init__(self, line: int, reason: str):
        super().__init__(reason)
        self.line = line


def check(text: str) -> None:
    """TooCostlyError when parsing `text` could take more than its size explains."""
    depth = items = parts = at = 0
    while mark := _MARK.search(text, at):
        at, what = mark.end(), mark[0]
        if what == "#":
            at = _end_of_line(text, at)
        elif what in _ENDS:
            at = _end_of_text(text, at, what)
        elif what == ".":
            parts += 1
            _bound(text, at, parts, MAX_PARTS - 1, f"a key has at most {MAX_PARTS} parts")
        elif what in "=,[]{}\n":
            parts = 0
            depth += (what in "[{") - (what in "]}")
            items += what in "=,[{"
            _bound(text, at, depth, MAX_DEPTH, f"lists and tables are at most {MAX_DEPTH} deep")
            _bound(text, at, items, MAX_ITEMS, f"a file has at most {MAX_ITEMS} keys and elements")
        else:
            _bound(text, at, len(what), MAX_WORD, f"a key, number or date has at most {MAX_WORD} characters")


def _bound(text: str, at: int, value: int, most: int, reason: str) -> None:
    if value > most:
        raise TooCostlyError(text.count("\n", 0, at) + 1, f"{reason}; write it shorter")


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _end_of_text(text: str, at: int, quote: str) -> int:
    """Where the text ends that began before `at`; at the end when it never does: there the parser stops as well."""
    while found := _ENDS[quote].search(text, at):
        at = found.end()
        if found[0][0] == quote[0]:
            return at
        if found[0] == "\n":
            break
    return len(text)
