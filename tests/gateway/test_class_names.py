"""One name for one thing: a class that others may import has a name of its own (decision 0185)."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SHARED = {
    "Kind": "what a file of north/sinks, and of control/controllers, has",
    "Options": "the base of what a file of south/adapters, and of control/controllers, has",
    "Settings": "what a file of south/adapters has, and the base of the tables of parts",
    "Driver": "of a sensor: what a file of wayside_node/sensors has",
    "Actuator": "the table of the desk, and what carries out",
    "Request": "at the desk; in remote/messages the word on the wire",
    "Requests": "at the desk, and in signals/core",
    "Decision": "of the desk, and of the pilot",
    "State": "of signals/core; in remote/messages the word on the wire",
}


def test_a_class_has_a_name_of_its_own():
    found: dict[str, list[str]] = defaultdict(list)
    for folder in ("gateway", "firmware", "hil"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    twice = {name: places for name, places in found.items() if len(places) > 1 and name not in SHARED}
    assert not twice, "give each a name that says whose it is, as docs/decisions/0185 does"
