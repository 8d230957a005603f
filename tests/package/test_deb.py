"""What the Debian package holds, for either architecture, and that equal sources make an equal file."""

import re
import shutil
import subprocess
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELF_MACHINES = {"amd64": 62, "arm64": 183}  # e_machine: EM_X86_64, EM_AARCH64
ROOM = "./usr/lib/wayside/"


def contents(deb: Path) -> dict[str, bytes]:
    """The files of the package by name, as tar names them."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        files = (member for member in tar if member.isfile())
        return {member.name: tar.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def field(deb: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True).stdout.strip()


def modules(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if data.startswith(b"\x7fELF")}


@pytest.mark.campaign(minutes=3)
def test_equal_sources_make_an_equal_file(deb: Path, deb_again: Path):
    assert deb.read_bytes() == deb_again.read_bytes()


def test_each_architecture_holds_its_own_modules_and_the_same_files(deb: Path, deb_arm64: Path):
    assert field(deb_arm64, "Architecture") == "arm64"
    files = {name: contents(each) for name, each in ((field(deb, "Architecture"), deb), ("arm64", deb_arm64))}
    for architecture, held in files.items():
        for name, data in modules(held).items():
            machine = int.from_bytes(data[18:20], "little")
            assert machine == ELF_MACHINES[architecture], name
            assert re.search(r"\.(abi3|cpython-31[13]-\S+)\.so$", name), name
    first, second = ({re.sub("x86_64|aarch64", "MACHINE", name) for name in each} for each in files.values())
    # A wheel may bring an accelerator that its authors build for one machine only; Python code is the same.
    assert {name for name in first ^ second if name.endswith((".py", ".toml", ".service"))} == set()


def test_every_python_that_it_may_meet_has_its_modules(deb: Path):
    compiled = {re.sub(r"cpython-\d+", "cpython-X", name) for name in modules(contents(deb))}
    for python in ("311", "313"):
        here = {name.replace(f"cpython-{python}", "cpython-X") for name in modules(contents(deb)) if "cpython" in name}
        missing = {name for name in compiled if "cpython" in name} - here
        assert not missing, (python, missing)
    assert field(deb, "Depends").startswith("python3 (>= 3.11~), python3 (<< 3.12~) | python3 (>= 3.13~), python3")


def test_it_brings_what_the_project_was_tested_with():
    def pins(name: str) -> dict[str, str]:
        found = re.findall(r"^([a-z0-9.\-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
        return dict(found)

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *(each for extra in ("web", "ble", "import") for each in extras[extra])]
    wanted = {re.split("[<>=\\[]", each)[0] for each in named}
    brought = pins("deb.txt")
    assert wanted <= brought.keys(), "tools/lock.sh writes requirements/deb.txt anew"
    assert brought.items() <= pins("dev.txt").items(), "tools/lock.sh writes requirements/deb.txt anew"


def test_profiles_pages_and_examples_are_in_it(deb: Path):
    files = contents(deb)
    for name in (f"{ROOM}wayside/profiles/eastron-sdm630.toml", f"{ROOM}wayside/web/static/index.html"):
        assert files[name]
    assert files["./etc/wayside/site.example.toml"] == (ROOT / "docs" / "site.example.toml").read_bytes()
    assert {name for name in files if name.startswith("./usr/share/man/")} == {
        "./usr/share/man/man1/wayside.1.gz",
        "./usr/share/man/man5/wayside-site.toml.5.gz",
        "./usr/share/man/man8/wayside.service.8.gz",
    }
    own = {path.relative_to(ROOT / "gateway") for path in (ROOT / "gateway" / "wayside").rglob("*.py")}
    assert {f"{ROOM}{path}" for path in own} <= files.keys()


def test_lintian_finds_nothing(deb: Path):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not here (apt-get install lintian)")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error,warning", deb], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
