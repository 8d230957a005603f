"""Reads JSON that somebody else wrote: whatever is wrong with it is one kind of error. Imports nothing of the gateway.

The standard library's reader ends in a RecursionError when lists are nested deeply, takes NaN, which is no JSON, and
of a key that is there twice the last.
"""

import json
import math
from collections.abc import Callable
from typing import Any

MAX_BYTES = 1 << 20
_MAX_DIGITS = 40  # of a whole number: enough for 128 bits, and what is written from it stays short


def read(data: str | bytes, parse_float: Callable[[str], Any] | None = None, most: int = MAX_BYTES) -> Any:
    """The value in `data`; ValueError when it is not JSON, or more than `most` bytes (characters of a str) of it."""
    if len(data) > most:
        raise ValueError(f"has more than {most} bytes")
    try:
        return json.loads(
            data,
            parse_float=parse_float or _decimal,
            parse_int=_whole,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
    return int(digits)


def _decimal(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
