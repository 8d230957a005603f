"""docs/reliability.md promises nothing without a test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_of_the_table_is_there():
    rows = [line for line in (ROOT / "docs" / "reliability.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for row in rows:
        found = re.search(r"\| `(tests/\S+\.py)::(test_\w+)` \|$", row)
        assert found, f"no test: {row}"
        tree = ast.parse((ROOT / found[1]).read_text())
        assert found[2] in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, row
