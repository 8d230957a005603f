"""Which room of the gateway imports which: arrows point one way, and who must not know somebody does not.

A room is a folder of `gateway/wayside`; each that is new has to be written down here. The table of the site file that
a folder has for itself is a room of its own: it is read before the folder's code.
A folder's `__init__.py` says in words what stands here as a table.
"""

import ast
import functools
import graphlib
from collections.abc import Iterator
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"
INSIDE = {"control", "net", "south"}  # rooms whose own folders are rooms too: they must not know each other

STRICT = {
    # What everybody may import, each of what lies below it.
    "text": "",
    "values": "wayside_wire",
    "runtime": "text values",
    "net": "runtime text wayside_wire",
    "settings": "evidence net text wayside_wire",
    "parts": "net runtime settings text values",
    # What a stranger needs to check us must be possible to take out and read alone.
    "evidence": "wayside_wire",
    # An error in what both share would be made by one and not seen by the other.
    "control.monitor": "control evidence text wayside_wire",
}
SHARED = {"net", "parts", "runtime", "settings", "text", "values", "wayside_wire"}

MAY_IMPORT = {
    "net.http": "",
    "net.mqtt": "",
    "profiles": "",
    "trust": "evidence",
    "log": "evidence net.http",
    "witness": "evidence net.http",
    "intake": "evidence log trust",
    "flash": "evidence trust",
    "south": "evidence profiles south.adapters trust",
    "south.adapters": "",
    "south.modbus": "profiles",
    "south.lora": "evidence log",
    "south.ble": "south.lora",
    "north": "evidence log net.mqtt",
    "control": "control.controllers control.desk evidence",
    "control.controllers": "",
    "control.desk": "evidence",
    "control.energy": "evidence",
    "control.signals": "control evidence",
    "receiver": "evidence net.mqtt north",
    "web.table": "",
    "remote.table": "",
    "witness.table": "",
    "intake.table": "",
    "site": "control control.desk evidence intake intake.table log net.mqtt north profiles remote.table south south.ble"
    " south.lora trust web.table witness witness.table",
    "remote": "evidence log net.mqtt site trust",
    "web": "evidence net.http web.table",
    "lab": "log net.mqtt profiles receiver south.modbus trust",
}
"""Beside what is shared. `kinds`, which makes the parts, `daemon`, which runs them, and `cli` import what they need."""

TIES = {"kinds": {"daemon"}, "daemon": {"cli"}, "cli": {"__main__"}}
"""Room that may import everything -> who may import it."""


def _room(module: str) -> str | None:
    """The room of a module's full name; None of what is not ours or is the package itself."""
    parts = module.split(".")
    if parts[0] == "wayside_wire":
        return "wayside_wire"
    if parts[0] != "wayside" or len(parts) == 1:
        return None
    if len(parts) > 2 and parts[2] == "table" and parts[1] not in INSIDE | SHARED:
        return f"{parts[1]}.table"
    if parts[1] in INSIDE and len(parts) > 2 and (GATEWAY / "wayside" / parts[1] / parts[2]).is_dir():
        return f"{parts[1]}.{parts[2]}"
    return parts[1]


def _imported(path: Path) -> Iterator[str]:
    package = list(path.relative_to(GATEWAY).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*within, *filter(None, [node.module])])
            # A name may be a module of the package that it is taken from.
            yield from (f"{module}.{alias.name}" for alias in node.names)


@functools.cache
def arrows() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in GATEWAY.rglob("*.py"):
        module = ".".join(path.relative_to(GATEWAY).with_suffix("").parts).removesuffix(".__init__")
        if room := _room(module):
            found.setdefault(room, set()).update(filter(None, map(_room, _imported(path))))
    return {room: others - {room} for room, others in found.items()}


def test_each_room_imports_what_it_may():
    allowed = {room: set(names.split()) for room, names in STRICT.items()}
    allowed |= {room: set(names.split()) | SHARED for room, names in MAY_IMPORT.items()}
    wrong = {room: others - allowed[room] for room, others in arrows().items() if room in allowed}
    assert {room: others for room, others in wrong.items() if others} == {}


def test_every_room_is_written_down_and_every_line_is_true():
    here = set(arrows())
    assert here == set(STRICT) | set(MAY_IMPORT) | set(TIES) | {"__main__"}
    said = {room: set(names.split()) for room, names in (STRICT | MAY_IMPORT).items()}
    assert {room: names - arrows()[room] for room, names in said.items() if names - arrows()[room]} == {}


def test_what_ties_the_parts_is_imported_by_nobody_else():
    for room, by in TIES.items():
        assert {other for other, names in arrows().items() if room in names} == by


def test_the_daemon_knows_no_kind_of_part():
    """It runs parts; what they are of, `kinds` knows. The inbox of site files from afar every gateway has."""
    no_kinds = {"evidence", "intake", "kinds", "log", "net.http", "remote", "site", "trust"}
    assert arrows()["daemon"] - SHARED - no_kinds == set()


def test_the_monitor_shares_only_the_words_of_an_error():
    monitor = GATEWAY / "wayside" / "control" / "monitor"
    shared = {name for path in monitor.glob("*.py") for name in _imported(path) if _room(name) == "text"}
    assert {".".join(name.split(".")[:3]) for name in shared} == {"wayside.text.reason"}


def test_there_is_no_circle():
    graphlib.TopologicalSorter(arrows()).prepare()


def test_the_wire_knows_nothing_of_the_gateway_or_a_node():
    wire = GATEWAY.parent / "firmware" / "wayside_wire"
    ours = {"wayside", "wayside_node", "wayside_signal", "board"}
    for path in wire.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & ours, path
