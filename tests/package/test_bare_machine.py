"""The two commands of the README on machines that have nothing yet: minimal Debian roots, root and a user type."""

import os
import re
from pathlib import Path

import pytest
from package.bare_root import BareMachine, why_not
from package.clean_root import SourceError

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.skipif("WAYSIDE_BARE" not in os.environ, reason="takes a quarter of an hour and more: make bare"),
]


def machine(suite: str, room: Path, user: str) -> BareMachine:
    try:
        return BareMachine(suite, room, user)
    except SourceError as error:
        pytest.skip(f"no bare machine can be made here: {error}")


@pytest.mark.parametrize(("suite", "user"), [("bookworm", "root"), ("trixie", "technician")])
def test_make_run_shows_the_whole_path(suite: str, user: str, tmp_path: Path):
    bare = machine(suite, tmp_path, user)
    told = bare.run("make", "run", "SECONDS=10", folder=bare.clone())
    assert "its verifier says: Verdict: everything holds" in told, told


@pytest.mark.parametrize(("suite", "user"), [("bookworm", "technician"), ("trixie", "root")])
def test_make_test_collects_all_and_passes_a_part_of_each_folder(suite: str, user: str, tmp_path: Path):
    bare = machine(suite, tmp_path, user)
    folder = bare.clone()
    told = bare.run("make", "test", "ARGS=--each 3 -n0 -rs", folder=folder)
    assert re.search(r"\d{2,} passed", told), told
    print(told)


def test_what_apt_and_pip_cannot_have_is_one_line(tmp_path: Path):
    bare = machine("trixie", tmp_path, "root")
    folder = bare.clone()
    nowhere = "deb http://127.0.0.1:9/ trixie main"
    bare.run("sh", "-c", f"echo {nowhere!r} >/etc/apt/sources.list; rm -rf /var/lib/apt/lists/*")
    told = bare.run("sh", "-c", "make run SECONDS=1; test $? -ne 0", folder=folder)
    (line,) = [line for line in told.splitlines() if line.startswith("setup: apt cannot install")]
    assert "127.0.0.1" in line or "Unable to locate" in line, told
