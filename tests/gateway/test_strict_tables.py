"""Every table of every file, walked: each has the one strict base, and what it takes it keeps as it was written."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import wayside
import wayside_hil
from pydantic import ValidationError, create_model
from wayside.settings.table import Table

ROOT = Path(__file__).parents[2]


def models() -> Iterator[type[Table]]:
    """All tables that there are. A command's folder may not be imported by name beside its function; it has none."""
    for package in (wayside, wayside_hil):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and not module.name.startswith("wayside.cli."):
                importlib.import_module(module.name)
    found: list[type[Table]] = [Table]
    for model in found:
        found += model.__subclasses__()
    return (each for each in found[1:] if each.__module__.split(".")[0] in ("wayside", "wayside_hil"))


MODELS = sorted(models(), key=lambda model: (model.__module__, model.__name__))

SCALARS = [
    None, True, False, 0, 1, 6, 7, 16, -1, 0.0, 1.0, 6.0, 7.0, 1.5, float("nan"), float("inf"), b"a", b"7",
    "", "a", "7", "07", "7.0", "1.5", "-1", "no", "yes", "true", "True", "NaN", "2026-12-25", "06:00", "06:00:00",
    date(2026, 12, 25), time(6),
]  # fmt: skip
PROBES: list[object] = [
    *SCALARS, [], {}, *([each] for each in SCALARS), *({"a": each} for each in SCALARS),
    *({"a": {"b": each}} for each in SCALARS), *([[each, each]] for each in SCALARS), *([[[each]]] for each in SCALARS),
    *({"a": [[each, each]]} for each in SCALARS), *({"a": [each]} for each in SCALARS),
    *({"2026-12-25": each} for each in SCALARS),
]  # fmt: skip


def keeps(given: object, taken: object) -> bool:
    """Whether a value was taken as it was written: lists may be tuples, numbers exact, days of keys dates.

    Only a key for a ratio takes one in quotes: TOML has no exact number that is not whole.
    """
    if isinstance(taken, Fraction):
        return type(given) in (int, str) and taken == Fraction(given)
    if isinstance(given, list):
        return isinstance(taken, list | tuple) and len(given) == len(taken) and all(map(keeps, given, taken))
    if isinstance(given, dict):
        return (
            isinstance(taken, dict)
            and [str(key) for key in taken] == list(given)
            and all(map(keeps, given.values(), taken.values()))
        )
    if isinstance(given, int | float) and not isinstance(given, bool):
        return taken is given or (type(taken) in (int, float, Decimal) and taken == given)
    return taken is given or (type(taken) is type(given) and taken == given)


def test_no_file_has_another_base() -> None:
    others = re.compile(r"\b(BaseModel|TypeAdapter|RootModel|pydantic\.dataclasses|validate_call)\b|json\.loads?\(")
    known = {
        "gateway/wayside/settings/table.py",
        "gateway/wayside/text/json_text.py",
        # What the gateway itself has written, or we have shipped.
        "gateway/wayside/north/homeassistant.py",
        "gateway/wayside/daemon/manage.py",
        "gateway/wayside/daemon/status.py",
        "gateway/wayside/south/modbus/sunspec_model.py",
        "gateway/wayside/cli/node.py",
        "hil/wayside_hil/wayside/fate/troubles_words.py",
        "hil/wayside_hil/emulator/process.py",
    }
    found = {
        str(path.relative_to(ROOT))
        for folder in ("gateway", "hil")
        for path in (ROOT / folder).rglob("*.py")
        if others.search(path.read_text())
    }
    assert found <= known


def test_there_are_models_of_every_kind_of_file() -> None:
    names = {model.__name__ for model in MODELS}
    files = {"SiteFile", "JunctionFile", "ProfileFile", "WitnessSettings", "Settings", "SiteTrial", "PlanRequest"}
    assert files <= names


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_a_table_has_the_strict_base_and_converts_nothing(model: type[Table]) -> None:
    assert model.model_config == Table.model_config
    for name, field in model.model_fields.items():
        one = create_model("One", __base__=Table, value=(field.rebuild_annotation(), ...))
        for probe in PROBES:
            try:
                taken = one.model_validate({"value": probe})
            except ValidationError:
                continue
            if isinstance(probe, str) and not isinstance(taken.value, str | Fraction):  # type: ignore[attr-defined]
                # A text that is parsed (table.WrittenAsText) is shown as it was written.
                assert taken.model_dump(mode="json") == {"value": probe}, name
            elif not isinstance(probe, dict) or not isinstance(taken.value, Table):  # type: ignore[attr-defined]
                assert keeps(probe, taken.value), (name, probe, taken.value)  # type: ignore[attr-defined]
