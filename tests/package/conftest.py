"""What the tests of the Debian package share: the package itself, built once for all that run beside each other."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _build(out: Path, *words: str) -> Path:
    """The package that `make deb` makes; skipped where the wheels cannot be had."""
    out.mkdir(exist_ok=True)
    with (out / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for made in out.glob("*.deb"):
            return made
        command = [sys.executable, ROOT / "tools" / "deb.py", "--out", out, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if done.returncode and "pip download" in done.stderr:
        pytest.skip(f"the wheels cannot be fetched here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On disk, wherever the other tests' files lie: whole systems are installed here, more than memory holds."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="wayside-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run; its workers' own folders lie in it."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def deb(shared: Path) -> Path:
    """The package for this machine."""
    return _build(shared / "deb")


@pytest.fixture(scope="session")
def deb_again(shared: Path) -> Path:
    """The same once more, built anew."""
    return _build(shared / "deb-again")


@pytest.fixture(scope="session")
def deb_arm64(shared: Path) -> Path:
    """The package for a Raspberry Pi."""
    return _build(shared / "deb-arm64", "--arch", "arm64")
