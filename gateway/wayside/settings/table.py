"""The one strict base of every table of every file and request that people or other programs write.

Nothing is converted: "7" is no number, 1 and "yes" are no switch, true is no count, NaN is no value; a key that nobody
knows is refused. Anybody may import this; it imports nothing of the gateway.
"""

import re
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import CoreSchema, core_schema

CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,39}")

Item = TypeVar("Item")


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class WrittenAsText:
    """Of a value's type: it is written as a text in quotes, and carried as what that says, so it is parsed once.

    parse(text) raises ValueError with what to write instead; text(value) is what was written, for who shows it.
    """

    def __init__(self, parse: Callable[[str], Any], text: Callable[[Any], str] = str):
        self._parse = parse
        self._text = text

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(self._text, return_schema=core_schema.str_schema())
        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(self._parse, text, serialization=shown)


def _exact(value: object) -> object:
    """A number as it is written: TOML's float 5.5 is the decimal 5.5."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


Number = Annotated[Decimal, BeforeValidator(_exact)]
"""A whole or decimal number, exact; no text of one."""

Items = Annotated[tuple[Item, ...], Field(strict=False)]
"""A list whose table has to be hashable; its items are as strict as any."""

Pair = Annotated[tuple[Item, Item], Field(strict=False)]
"""A list of two."""


def _channel(name: str) -> str:
    if not CHANNEL.fullmatch(name):
        raise ValueError("a channel's name has lower-case letters, digits and _, begins with a letter, and at most 40")
    return name


ChannelName = Annotated[str, AfterValidator(_channel)]
"""What a channel may be called, whatever its device hangs on."""


def once(kind: str, values: Iterable[Hashable]) -> None:
    """ValueError when one of `values` is there twice."""
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise ValueError(f'{kind} "{value}" is named twice; name each once')
        seen.add(value)
