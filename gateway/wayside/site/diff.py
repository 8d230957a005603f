"""The settings of a site file as they are understood, and what differs between two: comments and order do not count.

Shown without secrets: of a URL only where it leads, of a user's name and of texts among an adapter's options only that
there is one. Imports `config` and `redact`.
"""

from collections.abc import Iterator
from typing import Any

from wayside.site.config import SiteFile
from wayside.text.redact import HIDDEN, redact


def differences(before: SiteFile, after: SiteFile) -> list[str]:
    """One line for each key that differs: "+ key = new", "- key = old", "~ key = old -> new"; defaults included."""
    old, new = _settings(before), _settings(after)
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            lines.append(f"+ {key} = {_shown(key, new[key])}")
        elif key not in new:
            lines.append(f"- {key} = {_shown(key, old[key])}")
        elif old[key] != new[key]:
            shown = [_shown(key, each[key]) for each in (old, new)]
            same = " (what differs is not shown)" if shown[0] == shown[1] else ""
            lines.append(f"~ {key} = {shown[0]} -> {shown[1]}{same}")
    return lines


def settings(site: SiteFile) -> list[str]:
    """A line "key = value" for each key, defaults included."""
    return [f"{key} = {_shown(key, value)}" for key, value in _settings(site).items()]


def _settings(site: SiteFile) -> dict[str, Any]:
    return dict(_flat("", site.model_dump(mode="json")))


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Keys as people say them: `sink.city.url`; tables without a name by their number."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{place}.{key}" if place else key, each)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, each in enumerate(value, 1):
            yield from _flat(f"{place}.{each.get('name') or number}", each)
    elif value is not None and value != []:
        yield place, value


def _shown(key: str, value: Any) -> str:
    parts = key.split(".")
    if isinstance(value, str) and (parts[-1] == "username" or (parts[0] == "adapter" and "options" in parts)):
        return HIDDEN
    return redact(repr(value))
