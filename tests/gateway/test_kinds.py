"""The registry of kinds: each table of the site file matters to a part, and only to those that it has to."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wayside import kinds
from wayside.parts.part import Settings
from wayside.site import config
from wayside.site.config import SiteFile

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "site.example.toml"


def wanted(site: SiteFile) -> dict[str, tuple[Any, ...]]:
    """All that each part depends on, by its name."""
    parts = [part for kind in kinds.KINDS for part in kind.wanted(site)]
    assert len({name for name, _ in parts}) == len(parts), "names of parts are unique"
    return dict(parts)


def without(site: SiteFile, key: str, index: Iterable[int]) -> SiteFile:
    value = getattr(site, key)
    kept = [each for i, each in enumerate(value) if i not in index] if isinstance(value, list) else None
    return site.model_copy(update={key: kept})


TABLES = [place for place, _ in config.load(EXAMPLE).placed() if place != ("log",)]


@pytest.mark.parametrize("place", TABLES, ids=str)
def test_each_table_of_the_example_matters_to_a_part(place: tuple[Any, ...]) -> None:
    """What [[retention]] says of a device that is taken out is no fault here: a file that says it is refused."""
    site = without(config.load(EXAMPLE), "retention", range(9)) if place[0] != "retention" else config.load(EXAMPLE)
    assert wanted(without(site, place[0], place[1:])) != wanted(site)


def test_the_example_has_every_kind_of_table() -> None:
    kinds_of_tables = {type(each) for _, each in config.load(EXAMPLE).placed()}
    named = {type_of for field in SiteFile.model_fields.values() for type_of in _settings(field.annotation)}
    assert kinds_of_tables == named


def _settings(annotation: Any) -> list[type[Settings]]:
    inner = getattr(annotation, "__args__", (annotation,))
    return [each for each in inner if isinstance(each, type) and issubclass(each, Settings)]


def test_a_device_more_concerns_its_bus_and_who_looks_at_all_devices(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    text = EXAMPLE.read_text()
    path.write_text(text)
    before = wanted(config.load(path))
    path.write_text(
        text + '[[adapter]]\ndevice = "more"\nkind = "w1_thermometer"\n[adapter.options.thermometers]\n'
        'a = "28-3c01d607ed5d"\n'
    )
    after = wanted(config.load(path))
    changed = {name for name in after if after[name] != before.get(name)}
    assert {"adapter more", "retention"} <= changed, "the streams share the disk"
    untouched = ("bus", "node", "web", "remote", "tiles", "radio", "actuator", "controller")
    assert not {name for name in changed if name.split()[0] in untouched}


def test_the_content_of_a_file_that_a_table_names_is_a_part_of_its_plan(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "a.example"\n[[journal]]\nname = "j"\nfolder = "j"\njunction_file = "j.toml"\n')
    core: Any = SimpleNamespace(path=path)
    site = config.load(path)
    plans = [kinds.plans(site, core)["journal j"].settings]
    for text in ("one", "two"):
        (tmp_path / "j.toml").write_text(text)
        plans.append(kinds.plans(site, core)["journal j"].settings)
    assert plans[0] != plans[1] != plans[2]
    assert kinds.plans(site, core)["journal j"].settings == plans[2]
