"""Fuzz, bounded: kept inputs and new ones of every reader. `make fuzz` looks longer and keeps what it finds."""

from pathlib import Path
from random import Random

import cbor2
import pytest
from attacks.fuzzing import MAX_INPUT, SEEDS, TARGETS, kept, mutate, read
from hypothesis import given, settings
from hypothesis import strategies as st

KEPT = kept()


@pytest.mark.parametrize(("target", "path"), KEPT, ids=[path.stem for _, path in KEPT])
def test_kept_inputs(target: str, path: Path):
    TARGETS[target](read(path))


def test_every_kept_input_at_every_other_reader():
    inputs = {read(path) for _, path in KEPT} | {seed for seeds in SEEDS.values() for seed in seeds}
    for data in inputs:
        for name, target in TARGETS.items():
            if name not in ("judge", "bundle"):
                target(data)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_good_and_every_reader_has_some(target: str):
    for seed in SEEDS[target]:
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=150, deadline=None)
@given(number=st.integers(0, 2**64))
def test_changed_inputs(target: str, number: int):
    """`number` seeds the changes: a failing one is found again, and `keep` puts its input into the corpus."""
    data = mutate(SEEDS[target], Random(number))
    assert len(data) <= MAX_INPUT
    TARGETS[target](data)


def test_a_decoder_that_is_not_strict_would_be_found():
    """The same changes against one that takes any CBOR."""

    def takes(data: bytes) -> bool:
        try:
            return bool(cbor2.dumps(cbor2.loads(data), canonical=True) != data)
        except Exception:
            return False

    assert any(takes(mutate(SEEDS["cbor"], Random(number))) for number in range(500))


@pytest.mark.parametrize("target", [name for name in TARGETS if name not in ("judge", "bundle")])
@settings(max_examples=100)
@given(data=st.binary(max_size=300))
def test_any_bytes(target: str, data: bytes):
    TARGETS[target](data)
