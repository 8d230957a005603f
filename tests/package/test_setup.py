"""tools/setup.sh: which system packages it asks for, and the one line that says what failed and why.

apt, dpkg and sudo are programs of the test's own, first on the PATH: what they do is the machine's. pip, venv and the
shell are the real ones. On bare machines the whole of it is run by test_bare_machine.py.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

APT = """#!/bin/sh
echo "apt-get $*" >>"{folder}/asked"
case " $* " in *" install "*) {install} ;; esac
"""
FOREIGN = "#!/bin/sh\nexit 1\n"
OF_DEBIAN = "#!/bin/sh\necho 'python: '$2\n"
PYTHON = """#!/bin/sh
case "$*" in
*ensurepip*) exit {venv} ;;
*Python.h*) exit {headers} ;;
*version_info\\[:2\\]*) echo 3.13 ;;
*) exit 0 ;;
esac
"""


class Ran(NamedTuple):
    status: int
    told: str
    asked: str


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def set_up(folder: Path, python: Path | str, kind: str = "dev") -> Ran:
    """A copy of the script in `folder`, run there."""
    (folder / "tools").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tools" / "setup.sh", folder / "tools")
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    words = ["sh", folder / "tools" / "setup.sh", python, folder / "venv", kind]
    done = subprocess.run(words, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=900)
    asked = folder / "asked"
    return Ran(done.returncode, done.stdout + done.stderr, asked.read_text() if asked.exists() else "")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """apt that notes what it is asked for and then says that it fails, so that nothing more is done."""
    lock = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt-get)"
    program(tmp_path / "bin" / "apt-get", APT.format(folder=tmp_path, install=f"echo '{lock}'; exit 100"))
    program(tmp_path / "bin" / "sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    program(tmp_path / "bin" / "dpkg", OF_DEBIAN)
    return tmp_path


@pytest.mark.parametrize(("venv", "headers"), [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("kind", ["run", "dev"])
def test_debians_own_python_gets_what_it_lacks_by_its_version(machine: Path, venv: int, headers: int, kind: str):
    python = program(machine / "bin" / "python3", PYTHON.format(venv=venv, headers=headers))
    ran = set_up(machine, python, kind)
    wanted = {"python3.13-venv": bool(venv), "python3.13-dev": bool(headers) and kind == "dev"}
    if any(wanted.values()):
        (asked,) = (line for line in ran.asked.splitlines() if " install " in line)
        assert {name: name in asked.split() for name in wanted} == wanted
        assert ran.status == 1


def test_without_any_python_both_are_asked_for(machine: Path):
    ran = set_up(machine, "python-that-is-not-here")
    assert {"python3-venv", "python3-dev"} <= set(ran.asked.split())


def test_a_python_from_elsewhere_is_told_where_to_get_its_headers(machine: Path):
    program(machine / "bin" / "dpkg", FOREIGN)
    python = program(machine / "bin" / "python3", PYTHON.format(venv=0, headers=1))
    ran = set_up(machine, python)
    assert ran.status == 1 and f"{python} is not Debian's and lacks what python3-dev has" in ran.told
    assert ran.asked == ""


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("E: Unable to locate package libdbus-1-dev", "Unable to locate package libdbus-1-dev"),
        (
            "dpkg: error processing package gcc (--configure):\nE: Sub-process /usr/bin/dpkg returned an error",
            "dpkg: error processing package gcc (--configure):",
        ),
        (
            "Err:1 http://deb.example x\nE: Failed to fetch http://deb.example/gcc_12.deb  404  Not Found",
            "Failed to fetch http://deb.example/gcc_12.deb  404  Not Found",
        ),
    ],
)
def test_when_apt_fails_one_line_says_which_package_and_why(machine: Path, says: str, why: str):
    (machine / "says").write_text(f"{says}\n")
    program(machine / "bin" / "apt-get", APT.format(folder=machine, install=f"cat '{machine}/says' >&2; exit 100"))
    python = program(machine / "bin" / "python3", PYTHON.format(venv=0, headers=1))
    ran = set_up(machine, python)
    assert ran.status == 1
    assert ran.told.splitlines()[-1].startswith("setup: apt cannot install python3.13-dev")
    assert f": {why} (all of it: build-apt.log)" in ran.told.splitlines()[-1]


# --- pip ---

BACKEND = """
def build_wheel(*_, **__):
    raise SystemExit('../meson.build:2:0: ERROR: Python dependency not found')
"""


def source_distribution(folder: Path) -> str:
    """One whose wheel cannot be built, in `folder`; its SHA-256."""
    files = {
        "backend.py": BACKEND,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "dbus-like"\nversion = "1.0"\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: dbus-like\nVersion: 1.0\n",
    }
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            about = tarfile.TarInfo(f"dbus_like-1.0/{name}")
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text.encode()))
    (folder / "dbus_like-1.0.tar.gz").write_bytes(data.getvalue())
    return hashlib.sha256(data.getvalue()).hexdigest()


@pytest.mark.parametrize("is_right", [True, False])
def test_when_pip_fails_one_line_says_which_package_and_why(
    machine: Path, monkeypatch: pytest.MonkeyPatch, is_right: bool
):
    program(machine / "bin" / "apt-get", APT.format(folder=machine, install=":"))
    sha256 = source_distribution(machine)
    locks = machine / "requirements"
    locks.mkdir()
    for name in ("build.txt", "esp32-stubs.txt"):
        (locks / name).write_text("")
    (locks / "run.txt").write_text(f"dbus-like==1.0 --hash=sha256:{sha256 if is_right else '0' * 64}\n")
    (machine / "pyproject.toml").write_text("")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(machine))
    ran = set_up(machine, sys.executable, "run")
    assert ran.status == 1
    last = ran.told.splitlines()[-1]
    # From an index pip says "Collecting dbus-like==1.0", of a file beside it "Processing ./dbus_like-1.0.tar.gz".
    assert last.startswith("setup: pip cannot install dbus_like-1.0.tar.gz: "), ran.told
    assert ("Python dependency not found" if is_right else "DO NOT MATCH THE HASHES") in last
    assert not (machine / "venv" / ".installed-run").exists()
