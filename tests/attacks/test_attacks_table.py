"""docs/attacks.md names a test for every attack, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


HEAD = "| attack | expected outcome | tests |\n| --- | --- | --- |\n"
_, TEXT = (ROOT / "docs" / "attacks.md").read_text().split(HEAD)
ROWS = [line.split("|") for line in TEXT.split("\n\n")[0].splitlines()]
TABLE = {cells[1].strip(): re.findall(r"`(tests/\S+?)::(\w+)`", cells[3]) for cells in ROWS}

# What must be tried at least; each name stands in the first column.
WANTED = (
    "replay", "reorder inside the window", "reorder beyond the window", "dropped packs", "truncated log",
    "restored card image", "log fork", "forged device", "other device's name with a valid signature",
    "stolen device key after revocation", "gateway key stolen", "clock set back and forward", "depth", "length",
    "duplicate keys", "indefinite lengths", "28/29/35/36/256", "trailing bytes", "NaN", "64 KiB and more", "slow drip",
    "ten thousand tiny frames a second", "re-encoded pack", "algorithm confusion", "proofs of wrong length", "CRLF",
    "duplicate and a thousand signatures", "omitted interval in a bundle", "erased entry",
)  # fmt: skip


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


@pytest.mark.parametrize("attack", TABLE)
def test_every_attack_has_tests_and_they_are_there(attack: str):
    assert TABLE[attack], "no test is named"
    for path, name in TABLE[attack]:
        assert name.startswith("test_") and name in functions(path), f"{path}::{name}"


@pytest.mark.parametrize("wanted", WANTED)
def test_no_attack_is_left_out(wanted: str):
    assert any(wanted in attack for attack in TABLE)
