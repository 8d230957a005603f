"""The installed packages fit each other, and the gateway needs no more than it says."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_NAMES = {"paho-mqtt": "paho", "pyserial": "serial", "pysunspec2": "sunspec2"}


def test_pip_check():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_runtime_dependency_is_used_and_every_import_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[]", text)[0] for text in project["dependencies"]}
    declared = {IMPORT_NAMES.get(name, name) for name in declared}
    imported = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"wayside", "wayside_wire"}
    # pydantic_core is pydantic's own core; amqtt, aiohttp, bleak, highspy, segno and yaml are extras, dbus_fast is
    # bleak's own, numpy highspy's; sunspec2 is read as data.
    others = {"pydantic_core", "amqtt", "aiohttp", "bleak", "dbus_fast", "highspy", "numpy", "segno", "yaml"}
    assert third_party - others == declared - {"sunspec2"}


def test_the_documents_name_every_dependency():
    text = (ROOT / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for extra in extras if extra != "dev" for name in extras[extra])]
    names = {re.split(r"[<>=\[]", requirement)[0] for requirement in wanted}
    assert {name for name in names if name not in text} == {"libsumo", "sumolib"}  # parts of eclipse-sumo
