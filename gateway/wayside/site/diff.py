"""What differs between two site files, as they are understood: comments and order do not count. Imports `config`."""

from collections.abc import Iterator
from typing import Any

from wayside.config import SiteFile


def differences(before: SiteFile, after: SiteFile) -> list[str]:
    """One line for each key that differs: "+ key = new", "- key = old", "~ key = old -> new"; defaults included."""
    old, new = (dict(_flat("", site.model_dump(mode="json"))) for site in (before, after))
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            lines.append(f"+ {key} = {new[key]}")
        elif key not in new:
            lines.append(f"- {key} = {old[key]}")
        elif old[key] != new[key]:
            lines.append(f"~ {key} = {old[key]} -> {new[key]}")
    return lines


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Keys as people say them: `sink.city.url`; tables without a name by their number."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{place}.{key}" if place else key, each)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, each in enumerate(value, 1):
            yield from _flat(f"{place}.{each.get('name', number)}", each)
    elif value is not None and value != []:
        yield place, repr(value)
