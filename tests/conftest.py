"""What tests of every folder share: the real MicroPython VM, and the project's places."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT.parent / "shared" / "vectors"


@pytest.fixture(scope="session")
def micropython() -> Path:
    """The executable of the virtual board UNIX; built when it is not in the cache, skipped where it cannot be."""
    if given := os.environ.get("WAYSIDE_MICROPYTHON"):
        return Path(given)
    made = subprocess.run([sys.executable, ROOT / "tools" / "micropython.py"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"MicroPython cannot be built here: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.fixture
def vectors() -> Path:
    """Test data written by others; skipped where it is not beside the project."""
    if not VECTORS.is_dir():
        pytest.skip("../shared/vectors is not here")
    return VECTORS
