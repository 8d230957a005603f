"""The two commands of the README on machines that have nothing yet: minimal Debian roots, root and a user with sudo.

In `make campaigns` both roots run `make run`, and one of them `make test` up to and including collection: 11 minutes of
one processor in all (run 3 and 3, what `make test` installs 4, collection 1). `make bare` goes on to a test of each
folder in both, which has to build the boards' images there as well.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from package.bare_root import BareMachine, why_not
from package.clean_root import SourceError

pytestmark = [pytest.mark.campaign(minutes=20), pytest.mark.skipif(bool(why_not()), reason=why_not())]

WHOLE = "WAYSIDE_BARE" in os.environ


@contextmanager
def machine(suite: str, room: Path, user: str) -> Iterator[BareMachine]:
    try:
        made = BareMachine(suite, room, user)
    except SourceError as error:
        pytest.skip(f"no bare machine can be made here: {error}")
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize(("suite", "user"), [("bookworm", "root"), ("trixie", "technician")])
def test_both_commands(suite: str, user: str, tmp_path: Path) -> None:
    with machine(suite, tmp_path, user) as bare:
        folder = bare.clone()
        told = bare.run("make", "run", "SECONDS=10", folder=folder)
        assert "its verifier says: Verdict: everything holds" in told, told
        if WHOLE:
            told = bare.run("make", "test", "ARGS=--each 1 -n0 -rs", folder=folder)
            assert re.search(r"\d{2,} passed", told), told
            print(told)
        elif suite == "bookworm":
            told = bare.run("make", "test", "ARGS=--collect-only -n0", folder=folder)
            assert re.search(r"\d{4,}\S* tests collected", told), told


def test_what_apt_cannot_have_is_one_line(tmp_path: Path) -> None:
    with machine("trixie", tmp_path, "root") as bare:
        folder = bare.clone()
        nowhere = "deb http://127.0.0.1:9/ trixie main"
        bare.run("sh", "-c", f"echo {nowhere!r} >/etc/apt/sources.list; rm -rf /var/lib/apt/lists/*")
        told = bare.run("sh", "-c", "make run SECONDS=1; test $? -ne 0", folder=folder)
        (line,) = [line for line in told.splitlines() if line.startswith("setup: apt cannot install")]
        assert "127.0.0.1" in line or "Unable to locate" in line, told
