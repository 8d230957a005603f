"""Makes a profile of what people already have for other software: one small file for each format.

An importer is a function from text to a `Draft`: channels, and a line for each thing that cannot be taken over. What a
number means is never guessed; where the other format does not tell a unit, the draft says so. YAML is read by PyYAML,
the extra `import`.

Imports of the gateway `profiles`, `settings` and `text`; only `cli` imports this package.
"""

from collections.abc import Callable

from . import evcc, home_assistant, mbmd, modbus_schema, telegraf
from .draft import Draft, NothingToImportError, slug
from .lines import MissingYamlError, NoYamlError

IMPORTERS: dict[str, Callable[[str, int | None], Draft]] = {
    "evcc": evcc.read,
    "home-assistant": home_assistant.read,
    "mbmd": mbmd.read,
    "modbus-schema": modbus_schema.read,
    "telegraf": telegraf.read,
}
"""By the name of the format: from the file's text, and the unit address that is meant where it has several."""


def kind_of(text: str) -> str | None:
    """The format of a file, told by the keys that stand in it; None for none of these."""
    for kind, marks in {
        "mbmd": mbmd.MARKS,
        "telegraf": telegraf.MARKS,
        "evcc": evcc.MARKS,
        "modbus-schema": modbus_schema.MARKS,
        "home-assistant": home_assistant.MARKS,
    }.items():
        if all(mark.search(text) for mark in marks):
            return kind
    return None


NOTHING = (NothingToImportError, NoYamlError)
"""What an importer raises of a file of which nothing can be taken over."""

__all__ = [
    "IMPORTERS",
    "NOTHING",
    "Draft",
    "MissingYamlError",
    "NoYamlError",
    "NothingToImportError",
    "kind_of",
    "slug",
]
