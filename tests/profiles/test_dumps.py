"""Register dumps written by others: every field comes out with the value that they expect."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from profiles.schema import Evaluator, Memory, NotUnderstoodError, Value

FOLDER = Path(__file__).parents[2].parent / "shared" / "vectors" / "modbus"
FILES = sorted(FOLDER.glob("*.yaml"))


def cases() -> list[Any]:
    found = []
    for path in FILES:
        # Every scalar stays text: register words such as 0102 are no octal numbers.
        schema = yaml.load(path.read_text(), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        for test in schema.get("tests") or []:
            found.append(pytest.param(schema, test, id=f"{path.stem}:{test['id']}"))
    return found


def matches(value: Value, expected: list[str]) -> bool:
    """Whether the dump's expectation, a list of texts, says the same."""
    if value.names is not None:
        return value.names == expected
    if not expected:
        return value.missing
    wanted = expected[0]
    if value.text is not None:
        return value.text == {"+Infinite": "Infinity", "-Infinite": "-Infinity"}.get(wanted, wanted)
    if value.number is None:
        return False
    wanted_exact = Fraction(Decimal(wanted))
    if not value.is_float:
        return value.number == wanted_exact
    # The dumps show three decimals, and of large numbers the shortest digits that name the same double.
    return abs(value.number - wanted_exact) <= Fraction(1, 2000) or float(value.number) == float(wanted)


@pytest.mark.skipif(not FILES, reason=f"no register dumps in {FOLDER}")
@pytest.mark.parametrize(("schema", "test"), cases())
def test_every_field(schema: dict[str, Any], test: dict[str, Any]) -> None:
    memory = Memory()
    for part in test["input"]:
        memory.load(part["firstAddress"], part["rawValues"])
    blocks = {block["id"]: {one["id"]: one["expression"] for one in block["fields"]} for block in schema["blocks"]}
    checked = 0
    unknown = []
    for block in test["blocks"]:
        evaluator = Evaluator(blocks[block["id"]], memory)
        for name, expected in block["expected"].items():
            try:
                value = evaluator.value(name)
            except NotUnderstoodError as error:
                unknown.append(f"{block['id']} / {name}: {error}")
                continue
            checked += 1
            if "uint64" in blocks[block["id"]][name] and not expected and not value.missing:
                # Their runtime has no unsigned 64-bit integer and gives up; ours must be one that it cannot hold.
                assert value.number is not None and value.number > 2**63 - 1
                continue
            assert matches(value, expected), f"{block['id']} / {name}: {value}, expected {expected}"
    if unknown:
        pytest.skip(f"{checked} fields are right, {len(unknown)} use what the reader does not know: {unknown[0]}")
    assert checked
