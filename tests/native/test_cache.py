"""The cache of built things: whole or absent, bounded, and never taken away from who uses it."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def sources() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cache_sources", ROOT / "tools" / "sources.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_old_builds_of_the_same_kind_go(sources: ModuleType, tmp_path: Path) -> None:
    for name in ("UNIX-new", "UNIX-recent", "UNIX-old", "OTHER-old"):
        (tmp_path / name).mkdir()
        if name.endswith("old"):
            os.utime(tmp_path / name, (0, 0))
    sources.remove_siblings(tmp_path / "UNIX-new")
    assert {path.name for path in tmp_path.iterdir()} == {"UNIX-new", "UNIX-recent", "OTHER-old"}


def test_a_failed_build_leaves_nothing(sources: ModuleType, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise sources.SourceError("cut off")

    with pytest.raises(sources.SourceError):
        sources.kept(tmp_path / "target", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_hash_is_refused(sources: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"other")
    with pytest.raises(sources.SourceError, match="do not use it"):
        sources._check(tmp_path / "archive", "0" * 64)
