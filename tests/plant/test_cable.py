"""A pty that is gone leaves no path on which somebody else's line would be found."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from wayside.lab.plant.cable import raw_pty
from wayside_hil.targets.real_time import Pty


@contextmanager
def of_the_plant() -> Iterator[str]:
    with raw_pty() as (_, path):
        yield path


@contextmanager
def of_the_bench() -> Iterator[str]:
    port = Pty()
    yield port.path
    port.close()


@pytest.mark.parametrize("make", [of_the_plant, of_the_bench])
def test_its_path_is_gone_before_its_number_is_anothers(make: Callable[[], Iterator[str]]) -> None:
    with make() as path:  # type: ignore[attr-defined]
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    with pytest.raises(FileNotFoundError):
        os.open(path, os.O_RDWR | os.O_NOCTTY)
