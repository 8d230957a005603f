"""JSON of strangers: a value, or one kind of error, at every door."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.control.signals import feed
from wayside.control.signals.loader import load
from wayside.control.signals.remote import PlanRequestDesk
from wayside.site.history import SiteHistory
from wayside.south.lora import settings
from wayside.text import json_text
from wayside.trust.owner import OwnerFileError, read_request
from wayside_wire.lora_report import AirProfile

SITE = load(Path(__file__).parents[2] / "docs" / "junction.example.toml")
BOMBS = [
    "[" * 100_000,
    '{"a":' * 100_000,
    "9" * 5_000,
    '{"id": 1' + "0" * 4_000 + "}",
    "1e999",
    "-1e999",
    "NaN",
    "[Infinity]",
    "",
    " " * (json_text.MAX_BYTES + 1),
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_is_a_value_error(bomb: str):
    for data in (bomb, bomb.encode()):
        with pytest.raises(ValueError):
            json_text.read(data)


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_no_bomb_goes_off_at_any_door(tmp_path: Path, bomb: str):
    with pytest.raises(settings.NodeSettingsError):
        settings.parse(bomb.encode(), AirProfile(()), 1)
    with pytest.raises(OwnerFileError):
        read_request(bomb.encode())
    (tmp_path / "feed.json").write_text(bomb)
    assert feed.read(tmp_path) is None
    (tmp_path / "site.toml").touch()
    history = SiteHistory(tmp_path / "site.toml")
    history.keep(b"")
    (tmp_path / "site.toml.history" / "trial.json").write_text(bomb)
    assert history.trial() is None
    told: list[str] = []
    (tmp_path / "request.json").write_text(bomb)
    assert PlanRequestDesk(SITE, tmp_path, lambda _what, outcome, _origin: told.append(outcome)).look(0.0, 0) is None
    assert told == ["refused: it cannot be read"]


def test_a_pipe_as_a_request_holds_up_no_signal(tmp_path: Path):
    told: list[str] = []
    os.mkfifo(tmp_path / "request.json")
    desk = PlanRequestDesk(SITE, tmp_path, lambda _, outcome, __: told.append(outcome))
    with os.fdopen(os.open(tmp_path / "request.json", os.O_RDWR)):  # somebody writes to it, and says nothing
        assert desk.look(0.0, 0) is None
    assert told == ["refused: it cannot be read"]


@given(st.binary(max_size=50) | st.text(st.sampled_from(list('[]{}",:0123456789.eE-+ntfaul\\ ')), max_size=50))
def test_anything_is_a_value_or_a_value_error(data: bytes | str):
    try:
        value = json_text.read(data)
    except ValueError:
        return
    assert json.loads(data) == value


def test_numbers_are_what_they_were():
    assert json_text.read("[0.1, 1, -2e3, 340282366920938463463374607431768211455]") == [0.1, 1, -2e3, 2**128 - 1]
    assert json_text.read("0.1", parse_float=Decimal) == Decimal("0.1")
