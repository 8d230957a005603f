"""What can be known of a board without having it: pins, pictures, what is frozen, slots; compiled for its target."""

import ast
import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOARDS = sorted(path.parent for path in (ROOT / "boards").glob("*/board.json"))
ESP32 = [board for board in BOARDS if json.loads((board / "board.json").read_text())["mcu"].startswith("esp32")]
_LABELS = {"_PORTS": ("TX", "RX", "DE"), "_BUSES": ("SDA", "SCL")}
_TABLES = {
    "_PORTS": ("TX", "RX", "DE"), "_BUSES": ("SDA", "SCL"), "_CONVERTERS": (), "_CONTACTS": "", "_RADIO": "RADIO_",
}  # fmt: skip
_ON_THE_PICO = {29}  # wired to its own supply, and to no edge of the module
_APP_ALIGNMENT = 0x10000  # ESP-IDF programming guide, Partition Tables: app partitions begin at multiples of 64 KiB


def names(board: Path) -> str:
    return board.name


@pytest.fixture(scope="module")
def tools() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools"))
    import virtual_board

    return virtual_board


def tables(board: Path) -> dict[str, dict]:
    """The dictionaries of pins of board.py and board_lora.py, by their names."""
    found = {}
    for name in ("board.py", "board_lora.py"):
        tree = ast.parse((board / name).read_text()) if (board / name).exists() else ast.Module([], [])
        for item in tree.body:
            if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") in _TABLES:
                found[item.targets[0].id] = ast.literal_eval(item.value)
    return found


def labels(board: Path) -> dict[str, int]:
    """{name in pins.csv: pin} of everything that is wired."""
    found = {}
    for name, table in tables(board).items():
        for port, wires in table.items():
            if name in ("_PORTS", "_BUSES"):  # (number of the UART or I2C, pins)
                for label, pin in zip(_TABLES[name], wires[1:], strict=False):
                    if pin is not None:
                        found[f"{port.upper()}_{label}"] = pin
            elif name == "_CONVERTERS":  # (pin, divider)
                found[port.upper()] = wires[0]
            else:
                found[_TABLES[name] + port.upper()] = wires
    return found


def names_of_ports(board: Path) -> set[str]:
    """What a configuration may call a port."""
    return {port for name, table in tables(board).items() if name != "_RADIO" for port in table}


@pytest.mark.parametrize("board", BOARDS, ids=names)
def test_each_pin_is_named_drawn_and_used_once(board: Path):
    wired = labels(board)
    assert wired and len(wired) == len(set(wired.values()))
    named = {row[0]: row[1] for row in csv.reader((board / "pins.csv").open()) if row}
    text = (board / "wiring.md").read_text()
    drawn = json.dumps(json.loads((board / "diagram.json").read_text())["connections"])
    prefix = "GPIO" if board in ESP32 else "GP"
    for label, number in wired.items():
        assert named[label] == f"GPIO{number}"
        assert re.search(rf"\b{prefix}{number}\b", text), f"wiring.md has no {prefix}{number}"
        pin = str(number) if board in ESP32 else f"GP{number}"
        assert number in _ON_THE_PICO or f':{pin}"' in drawn, f"diagram.json has no {pin}"
    for port in names_of_ports(board):
        assert re.search(rf"\b{port}\b", text), f"wiring.md has no {port}"


@pytest.mark.parametrize("board", BOARDS, ids=names)
def test_the_picture_connects_parts_that_are_there(board: Path):
    diagram = json.loads((board / "diagram.json").read_text())
    parts = {part["id"] for part in diagram["parts"]} | {"$serialMonitor"}
    ends = [end for connection in diagram["connections"] for end in connection[:2]]
    assert {end.partition(":")[0] for end in ends} <= parts
    assert len(ends) == len(set(ends)), "a pin has two wires"


def library(board: Path) -> str:
    """The checkout of micropython-lib, when this board's manifest wants one."""
    import mpylib

    try:
        return str(mpylib.checkout()) if mpylib.is_needed(board) else ""
    except mpylib.LibraryError as error:
        pytest.skip(f"{board.name}: {error}")


def frozen(board: Path, tools: ModuleType) -> dict[str, Path]:
    """{path in the image: file} of the board's manifest, as MicroPython's own reader of manifests resolves it."""
    sys.path.insert(0, str(tools.sources.get(tools.sources.MICROPYTHON) / "tools"))
    import manifestfile

    top = tools.sources.get(tools.sources.MICROPYTHON)
    port = top / "ports" / ("esp32" if board in ESP32 else "rp2")
    variables = {"MPY_DIR": str(top), "PORT_DIR": str(port), "BOARD_DIR": str(board), "MPY_LIB_DIR": library(board)}
    manifest = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, variables)
    manifest.execute(str(board / "manifest.py"))
    return {file.target_path: Path(file.full_path) for file in manifest.files()}


@pytest.mark.parametrize("board", BOARDS, ids=names)
def test_what_the_application_imports_is_frozen(board: Path, tools: ModuleType):
    files = frozen(board, tools)
    assert "main.py" in files and "board.py" in files and "asyncio/__init__.py" in files
    ours = {path for path in files if path.startswith("wayside_")}
    packages = {path.split("/")[0] for path in ours}
    for package in packages:
        held = {str(each.relative_to(ROOT / "firmware")) for each in (ROOT / "firmware" / package).glob("*.py")}
        assert held <= ours
    for path in ours:
        for item in ast.walk(ast.parse(files[path].read_text())):
            wanted = item.module if isinstance(item, ast.ImportFrom) and not item.level else None
            if wanted and wanted.startswith("wayside_") and wanted != "wayside_native":
                assert wanted.split(".")[0] in packages, f"{path} imports {wanted}"


@pytest.mark.parametrize("board", BOARDS, ids=names)
def test_everything_compiles_for_the_target(board: Path, tools: ModuleType, tmp_path: Path):
    architecture = "xtensawin" if board in ESP32 else "armv6m"
    compiler = tools.mpy_cross()
    total = 0
    for path, file in frozen(board, tools).items():
        made = tmp_path / "made.mpy"
        words = [compiler, f"-march={architecture}", "-s", path, "-o", made, file]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        total += made.stat().st_size
    assert 20_000 < total < 400_000, f"{total} bytes frozen"


def partitions(board: Path, tools: ModuleType) -> dict[str, tuple[str, int, int]]:
    """{subtype: (type, offset, size)} of the table that sdkconfig.board names."""
    settings = dict(re.findall(r'^(CONFIG_\w+)="?([^"\n]*)"?$', (board / "sdkconfig.board").read_text(), re.M))
    assert settings["CONFIG_PARTITION_TABLE_CUSTOM"] == "y" and settings["CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE"] == "y"
    name = settings["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"]
    table = tools.sources.get(tools.sources.MICROPYTHON) / "ports" / "esp32" / name
    rows = [row.split(",") for row in table.read_text().splitlines() if row and not row.startswith("#")]
    sizes = {"4MB": 4, "8MB": 8, "16MB": 16}
    (size,) = [sizes[key] for key in sizes if settings.get(f"CONFIG_ESPTOOLPY_FLASHSIZE_{key}") == "y"]
    found = {row[2].strip(): (row[1].strip(), int(row[3], 0), int(row[4], 0)) for row in rows}
    end = 0
    for _, offset, length in sorted(found.values(), key=lambda row: row[1]):
        assert offset >= end, "two partitions overlap"
        end = offset + length
    assert end <= size << 20, "the table is larger than the flash"
    return found


@pytest.mark.parametrize("board", ESP32, ids=names)
def test_two_slots_of_one_size_and_a_note_which_counts(board: Path, tools: ModuleType):
    table = partitions(board, tools)
    slots = [table["ota_0"], table["ota_1"]]
    assert {kind for kind, _, _ in slots} == {"app"} and slots[0][2] == slots[1][2]
    assert all(offset % _APP_ALIGNMENT == 0 for _, offset, _ in slots)
    assert table["ota"][0] == "data" and table["ota"][2] == 0x2000, "otadata: two sectors, so that one is always whole"


SLOTS = [board for board in BOARDS if board.name != "RP2040_SIGNAL"]  # whose lamps no update may surprise


@pytest.mark.parametrize("board", SLOTS, ids=names)
def test_a_new_application_is_on_trial_until_it_has_run(board: Path):
    family = "esp32_chip" if board in ESP32 else "rp2040"
    assert re.search(rf"^from {family} import \(?[^)=]*\btrial\b", (board / "board.py").read_text(), re.M)
    manifest, main = (board / "manifest.py").read_text(), (board / "main.py").read_text()
    assert f'module("{family}.py", base_path="..")' in manifest
    assert f"{family}.give_up()" in main
    if board not in ESP32:  # whose boot loader chooses
        assert 'module("boot.py", base_path="..")' in manifest
