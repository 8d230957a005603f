"""Brokers for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from north.mosquitto import PROGRAM, Mosquitto


@pytest.fixture(scope="session")
def shared_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture
def mosquitto_folder(tmp_path: Path) -> Path:
    """A folder for a broker of the test's own."""
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed (Debian package mosquitto)")
    return tmp_path
