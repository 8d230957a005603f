"""What the tests of the Debian package share: the package itself."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _build(out: Path, *words: str) -> Path:
    """The package that `make deb` makes; skipped where the wheels cannot be had."""
    command = [sys.executable, ROOT / "tools" / "deb.py", "--out", out, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode and "pip download" in done.stderr:
        pytest.skip(f"the wheels cannot be fetched here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine."""
    return _build(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def deb_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same once more, built anew."""
    return _build(tmp_path_factory.mktemp("deb-again"))


@pytest.fixture(scope="session")
def deb_arm64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for a Raspberry Pi."""
    return _build(tmp_path_factory.mktemp("deb-arm64"), "--arch", "arm64")
