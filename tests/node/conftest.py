"""The node's tests run here under CPython, and by test_micropython.py under the real MicroPython once more."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
sys.path[:0] = [str(HERE), str(HERE / "cpython"), str(FIRMWARE)]


@pytest.fixture(autouse=True)
def scratch_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("WAYSIDE_SCRATCH", str(tmp_path))
    assert os.getenv("WAYSIDE_SCRATCH")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A cut at each byte is a campaign; `make test` tries a share of them (power.STRIDE). Here, as these modules run
    under MicroPython too."""
    for item in items:
        name = item.name.partition("[")[0] if item.path.parent == HERE else ""
        if name in _CUTS or item.name in _IN_THE_VM:
            item.add_marker(pytest.mark.campaign(shared=True))


_CUTS = {
    "test_a_cut_at_any_byte_loses_no_stored_pack",
    "test_a_cut_at_any_byte_while_segments_come_and_go",
    "test_a_cut_at_any_byte_of_a_full_journal",
    "test_a_cut_at_any_byte_never_repeats_a_number",
}
_IN_THE_VM = {"test_module[test_node_journal.py]", "test_module[test_node_identity.py]"}
