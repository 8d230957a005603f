"""The one strict base of every table of every file and request that people or other programs write.

Nothing is converted: "7" is no number, 1 and "yes" are no switch, true is no count, NaN is no value; a key that nobody
knows is refused. Anybody may import this; it imports nothing of the gateway.
"""

from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Item = TypeVar("Item")


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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
