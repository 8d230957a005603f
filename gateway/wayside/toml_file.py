"""Reads a TOML file into a pydantic model and explains everything that is wrong with it like a good compiler.

Every problem is one line: `file:line: key: what is wrong and what to write instead`; the line where it can be known.
Whatever Wayside reads as TOML (the site file, profiles) is read here. Imports of the gateway `redact` only.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wayside.redact import redact

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]
"""The way to a key: ("bus", 0, "device", 1, "unit")."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=")
_WANTED = {"string_type": "a text in quotes", "int_type": "a whole number", "list_type": "a list in [ ]"}


class Source:
    """The text of a TOML file, and where its tables and keys stand."""

    def __init__(self, path: Path, text: str):
        self._path = path
        self._lines = _line_numbers(text)

    def problem(self, place: Place, text: str) -> str:
        """The line that says `text` of the key at `place`."""
        known = place
        while known and known not in self._lines:
            known = known[:-1]
        where = f"{self._path}:{self._lines[known]}" if known else str(self._path)
        key = ""
        for part in place:
            key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
        return redact(f"{where}: {key}: {text}" if key else f"{where}: {text}")


def load(path: Path, model: type[Model], what: str, error: Callable[[list[str]], Exception]) -> tuple[Model, Source]:
    """The checked content of the file at `path`, or `error` with all problems. `what`: "a site file", for its text."""
    try:
        text = path.read_bytes().decode()
        data = tomllib.loads(text)
    except OSError as problem:
        raise error([f"{path}: cannot be read ({problem.strerror}); give the path of {what}"]) from None
    except UnicodeDecodeError as problem:
        raise error([f"{path}: is not UTF-8 text (byte {problem.start}); save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as problem:
        raise error([f"{path}: is not TOML: {problem}"]) from None
    source = Source(path, text)
    try:
        return model.model_validate(data), source
    except ValidationError as problems:
        raise error([_explain(source, model, each) for each in problems.errors()]) from None


def unknown(kind: str, given: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among `known`."""
    names = sorted(known)
    near = [one for one in names if one.lower() == given.lower()] or difflib.get_close_matches(given, names, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names)}"
    return f'unknown {kind} "{given}"; {hint}'


def _explain(source: Source, model: type[BaseModel], problem: ErrorDetails) -> str:
    place: Place = problem["loc"]
    kind, text = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        text = unknown("key", str(place[-1]), _keys_at(model, place[:-1]))
    elif kind == "missing":
        text = "is missing; add it"
    elif kind == "value_error":
        text = str(problem["ctx"]["error"])
    elif kind.endswith("_type"):
        text = f"{_shown(problem['input'])} must be {_WANTED.get(kind, 'a [table]')}"
    else:
        text = f"{_shown(problem['input'])}: {text[0].lower()}{text[1:]}"
    return source.problem(place, text)


def _shown(value: object) -> str:
    """A value as it was written; of what holds others only that it does: nobody knows what is in it."""
    if isinstance(value, dict | list):
        return "a [table]" if isinstance(value, dict) else "a list in [ ]"
    return repr(value)


def _keys_at(model: type[BaseModel], place: Place) -> Iterable[str]:
    """The keys that the table at `place` may have."""
    kind: Any = model
    for part in place:
        kind = _table(kind)
        # A part of a model is one of its keys; of a list or a dictionary it only says which one.
        kind = kind.model_fields[part].annotation if _is_model(kind) else get_args(kind)[-1]
    kind = _table(kind)
    return kind.model_fields if _is_model(kind) else ()


def _table(kind: Any) -> Any:
    """The type without `| None`."""
    if get_origin(kind) in (Union, UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _line_numbers(text: str) -> dict[Place, int]:
    """The line of every table and key as the parser will count them: ("bus", 0, "device", 1, "unit") -> 17."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = ()
            parts = [part.strip(" \"'") for part in header[2].split(".")]
            for depth, part in enumerate(parts):
                table = (*table, part)
                last = depth == len(parts) - 1
                if last and header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines
