"""Reads a TOML file into a pydantic model and explains everything that is wrong with it like a good compiler.

Every problem is one line: `file:line: key: what is wrong and what to write instead`; the line where it can be known.
Whatever Wayside reads as TOML (the site file, profiles) is read here: it may come from afar, so what reading costs is
bounded first. Imports `table`, `toml_bounds` and what text/ has only.
"""

import errno
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from wayside.settings import toml_bounds
from wayside.settings.table import Table
from wayside.text.printable import printable
from wayside.text.redact import redact
from wayside.text.unknown import unknown

Model = TypeVar("Model", bound=Table)
Place = tuple[int | str, ...]
"""The way to a key: ("bus", 0, "device", 1, "unit")."""

# Tried on every line, of a long text in quotes too: no two parts beside each other take the same characters.
_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_\-]+))\s*([.=])""")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")  # at the end of what tomllib says
_AT_END = "(at end of document)"
_TWICE = re.compile("Cannot (declare|overwrite)")
_LONGEST = 1000  # characters of a problem
_MAX_PROBLEMS = 50  # that are explained
_WANTED = {
    "bool_type": "true or false",
    "date_type": "a day, YYYY-MM-DD",
    "float_type": "a number",
    "int_type": "a whole number",
    "is_instance_of": "a number",  # of a Decimal
    "list_type": "a list in [ ]",
    "string_type": "a text in quotes",
    "time_type": "a time of day, HH:MM:SS",
    "tuple_type": "a list in [ ]",
}


def key_text(place: Place) -> str:
    """A place as people count it: "bus[1].device[2].unit"."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class TomlSource:
    """The text of a TOML file, and where its tables and keys stand; `sha256`: of its bytes, in hexadecimal digits."""

    def __init__(self, path: Path, text: str, raw: bytes):
        self.sha256 = hashlib.sha256(raw).hexdigest()
        self._path = path
        self._lines = _line_numbers(text)

    def problem(self, place: Place, text: str) -> str:
        """The line that says `text` of the key at `place`."""
        known = place
        while known and known not in self._lines:
            known = known[:-1]
        where = f"{self._path}:{self._lines[known]}" if known else str(self._path)
        key = key_text(place)
        text = printable(redact(text), _LONGEST)
        return f"{where}: {printable(key)}: {text}" if key else f"{where}: {text}"


def load(
    path: Path, model: type[Model], what: str, error: Callable[[list[str]], Exception], context: Any = None
) -> tuple[Model, TomlSource]:
    """The checked content of the file at `path`, or `error` with all problems. `what`: "a site file", for its text.

    context: what the model's own checks are given (pydantic's ValidationInfo.context).
    """
    try:
        raw = read(path)
    except OSError as problem:
        raise error([f"{path}: cannot be read ({problem.strerror}); give the path of {what}"]) from None
    text, data = _parse(path, raw, model, error)
    source = TomlSource(path, text, raw)
    try:
        return model.model_validate(data, context=context), source
    except ValidationError as problems:
        raise error(_explain_all(source, model, problems)) from None


def read(path: Path) -> bytes:
    """What is in a regular file, and one byte more than is parsed at most; OSError for anything else.

    A site file names such files, and may come from afar: a pipe would never be read to its end, nor /dev/zero.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return file.read(toml_bounds.MAX_BYTES + 1)


def _parse(
    path: Path, raw: bytes, model: type[Table], error: Callable[[list[str]], Exception]
) -> tuple[str, dict[str, Any]]:
    """(text, what is in it); `error` when it is no TOML, or TOML that costs more than it should."""
    if len(raw) > toml_bounds.MAX_BYTES:
        raise error([f"{path}: is larger than {toml_bounds.MAX_BYTES} bytes; give a smaller file"])
    try:
        # As tomllib does; done here, so that both count the same lines.
        # A byte order mark at the beginning is what some editors write, and nothing that anybody meant.
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        toml_bounds.check(text)
        return text, tomllib.loads(text)
    except UnicodeDecodeError as problem:
        raise error([f"{path}: is not UTF-8 text (byte {problem.start}); save it as UTF-8"]) from None
    except toml_bounds.TooCostlyError as problem:
        raise error([f"{path}:{problem.line}: {problem}"]) from None
    except (ValueError, RecursionError, MemoryError) as problem:  # tomllib's own error is a ValueError
        said, lines = str(problem), text.split("\n")
        found = _AT_LINE.search(said)
        number = int(found[1]) if found else len(lines) if said.endswith(_AT_END) else 0
        where = f"{path}:{number}" if number else str(path)
        why = _second(model, lines[number - 1]) if number and _TWICE.match(said) else ""
        hint = next((f"; {hint}" for start, hint in _HINTS.items() if said.startswith(start)), "")
        why = why or f"is not TOML: {printable(problem or type(problem).__name__)}{hint}"
        raise error([f"{where}: {why}"]) from None


_HINTS = {
    "Invalid value": "a text stands in quotes, a switch is true or false, a number has a point and no comma",
    "Unescaped '\\'": "write a text with \\ in it in single quotes",
    "Invalid hex value": "write a text with \\ in it in single quotes",
    "Expected newline": "write one key a line; a number has a point and no comma",
    "Invalid initial character for a key part": "a table in { } stands on one line and has no comma before the }; "
    "a long one is a table of its own, such as [adapter.options], with a key on each line",
    "Unclosed inline table": "a table in { } stands on one line",
    "Illegal character '\\n'": "a text ends with the quotes that it began with, in its line",
}
"""What tomllib says of what is no TOML -> what people write then."""


def _second(model: type[Table], line: str) -> str:
    """What to write instead of `line`, whose head of a table or whose key cannot stand beside an earlier one."""
    header = _HEADER.match(line)
    if not header:
        key = _KEY.match(line)
        return f"{printable(key[0].strip(' .='))} is here a second time in its table: keep one" if key else ""
    name = printable(header[2].strip())
    if not _is_tables(_at(model, tuple(_parts(header[2])))):
        return f"[{name}] is here a second time, and there can be one: in one bracket, with all its keys"
    if header[1] == "[[":
        return f"an earlier [{name}] has one bracket: write [[{name}]] there too, for there can be several"
    return f"[{name}] is here a second time: {_several(name)}"


def _several(name: str) -> str:
    return f"write [[{name}]], in two brackets, before each one, for there can be several"


def _explain_all(source: TomlSource, model: type[Table], problems: ValidationError) -> list[str]:
    count = problems.error_count()
    lines = [_explain(source, model, each) for each in islice(problems.errors(include_url=False), _MAX_PROBLEMS)]
    return lines if count <= _MAX_PROBLEMS else [*lines, f"and {count - _MAX_PROBLEMS} problems more"]


def _explain(source: TomlSource, model: type[Table], problem: ErrorDetails) -> str:
    return source.problem(problem["loc"], explained(model, problem))


def explained(model: type[Table], problem: ErrorDetails, is_shown: bool = True) -> str:
    """What is wrong with a value of `model`, and what to write instead; at which place is told elsewhere.

    is_shown: the value may be told; not of what somebody else's options are, who knows what may be in them.
    """
    place: Place = problem["loc"]
    kind, text = problem["type"], problem["msg"]
    shown = printable(_shown(problem["input"])) if is_shown else "the value"
    if kind == "extra_forbidden":
        text = unknown("key", str(place[-1]), _keys_at(model, place[:-1]), _above(model, place))
    elif kind == "missing":
        text = "is missing; add it"
    elif kind == "value_error":
        text = str(problem["ctx"]["error"])
    elif kind == "list_type" and isinstance(problem["input"], dict) and _is_tables(_at(model, place)):
        text = _several(_head(place))
    elif kind in ("model_type", "dict_type") and isinstance(problem["input"], list):
        text = f"write [{_head(place)}], in one bracket, for there can be one"
    elif kind in _WANTED or kind.endswith("_type"):
        text = f"{shown} must be {_WANTED.get(kind, 'a [table]')}"
    else:
        text = f"{shown}: {text[0].lower()}{text[1:]}"
    return text


def first_explained(model: type[Table], problems: ValidationError) -> str:
    """The first of the problems with its key, for who has typed or sent one table and no file."""
    first = problems.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {explained(model, first)}"


def _above(model: type[Table], place: Place) -> str:
    """Where to write a key of a table around the one where it stands: what is below a table's head belongs to that."""
    for depth in range(len(place) - 2, 0, -1):
        if str(place[-1]) in _keys_at(model, place[:depth]):
            outer, inner = _with_brackets(model, place[:depth]), _with_brackets(model, place[:-1])
            return f"it is a key of {outer}: write it before the first {inner}"
    return ""


def _with_brackets(model: type[Table], place: Place) -> str:
    names = tuple(part for part in place if isinstance(part, str))
    return f"[[{_head(place)}]]" if _is_tables(_at(model, names)) else f"[{_head(place)}]"


def checked(key: str, model: type[Model], given: Mapping[str, Any]) -> Model:
    """What stands under `key` as a model of its own. ValidationError, to be raised in a check of the table that has the
    key: each problem is told at its own place and line, and shows no value. No more are passed on than are explained.
    """
    try:
        return model.model_validate(given)
    except ValidationError as problems:
        raise _within(key, model, problems) from None


def _within(key: str, model: type[Table], problems: ValidationError) -> ValidationError:
    return ValidationError.from_exception_data(
        model.__name__,
        [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{error}", {"error": explained(model, each, is_shown=False)}),
                loc=(key, *(part for part in each["loc"] if part != "[key]")),
                input=None,
            )
            for each in islice(problems.errors(), _MAX_PROBLEMS)
        ],
    )


def _shown(value: object) -> str:
    """A value as it was written; of what holds others only that it does: nobody knows what is in it."""
    if isinstance(value, dict | list):
        return "a [table]" if isinstance(value, dict) else "a list in [ ]"
    return repr(value)


def _keys_at(model: type[Table], place: Place) -> Iterable[str]:
    """The keys that the table at `place` may have."""
    kind = _at(model, place)
    return kind.model_fields if _is_model(kind) else ()


def _at(model: type[Table], place: Place) -> Any:
    """The type of what stands at `place`, which may leave out the numbers in lists; None of what nobody knows."""
    kind: Any = model
    for part in place:
        kind = _table(kind)
        if isinstance(part, str) and get_origin(kind) is list:
            kind = _table(_item(kind))
        # A part of a model is one of its keys; of a list or a dictionary it only says which one.
        if not _is_model(kind):
            kind = _item(kind) if get_args(kind) else None
        else:
            kind = kind.model_fields[part].annotation if part in kind.model_fields else None
    return _table(kind)


def _is_tables(kind: Any) -> bool:
    """Whether it is a list of tables."""
    return get_origin(kind) is list and _is_model(_table(_item(kind)))


def _head(place: Place) -> str:
    """A place as the head of a table has it: without the numbers."""
    return ".".join(part for part in place if isinstance(part, str))


def _item(kind: Any) -> Any:
    """The type of what a list or a dictionary holds."""
    return get_args(kind)[0 if get_origin(kind) is tuple else -1]


def _table(kind: Any) -> Any:
    """The type without `| None`."""
    if get_origin(kind) in (Union, UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Table)


def _line_numbers(text: str) -> dict[Place, int]:
    """The line of every table and key as the parser will count them: ("bus", 0, "device", 1, "unit") -> 17."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), 1):
        header = _HEADER.match(line)
        if header:
            table = ()
            parts = _parts(header[2])
            for depth, part in enumerate(parts):
                table = (*table, part)
                lines.setdefault(table, number)  # of all of a list, its first
                last = depth == len(parts) - 1
                if last and header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
            continue
        place, key = table, _KEY.match(line)
        while key and len(place) < toml_bounds.MAX_PARTS:
            place = (*place, key[1] or key[2] or key[3] or "")
            lines.setdefault(place, number)
            key = _KEY.match(line, key.end()) if key[4] == "." else None
    return lines


def _parts(header: str) -> list[str]:
    return [part.strip(" \t\"'") for part in header.split(".", toml_bounds.MAX_PARTS)]
