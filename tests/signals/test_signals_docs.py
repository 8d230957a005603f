"""docs/signals.md names what the code names."""

import inspect
import re
from pathlib import Path

from wayside.control.signals import core
from wayside_wire import signal_judge

TEXT = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()


def rows(title: str) -> dict[str, str]:
    section = TEXT.split(f"## {title}")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| ([A-Z_]+) \| ([^|]+) \|", section, re.MULTILINE))


def test_every_invariant_is_there_in_the_words_of_the_core() -> None:
    said = re.findall(r"^  ([A-Z_]+) +(.+(?:\n {10,}.+)*)", inspect.getdoc(core) or "", re.MULTILINE)
    assert rows("Invariants of the core") == {name: re.sub(r"\s+", " ", text) for name, text in said}


def test_the_functions_that_keep_them_exist() -> None:
    section = TEXT.split("## Invariants of the core")[1].split("\n## ")[0]
    for row in re.findall(r"^\| [A-Z_]+ \|.*$", section, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row.split("|")[3]):
            assert callable(getattr(core, name))


def test_every_fault_is_there() -> None:
    raised = set(re.findall(r'"([A-Z_]+): ', inspect.getsource(signal_judge))) | {"DUAL", "UNUSED"}
    assert set(rows("What monitor and node judge")) == raised - {"CHANNELS"}
