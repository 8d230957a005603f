from pathlib import Path

import pytest
from trust.typed import Owner, Site


@pytest.fixture
def owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Owner:
    folder = tmp_path / "owner"
    folder.mkdir()
    return Owner(folder, capsys)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)


