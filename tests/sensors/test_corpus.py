"""Malformed input for every decoder of radios and sensors: a refusal or a value, never another exception."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sensors.decoders import CORPUS, DECODERS, corpus_of, refuses


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_corpus(name: str) -> None:
    entries = corpus_of(name)
    assert entries
    for data, must_refuse in entries:
        assert refuses(DECODERS[name], data) or not must_refuse, data.hex()


def test_every_file_has_its_decoder() -> None:
    assert {path.stem for path in CORPUS.glob("*.hex")} == set(DECODERS)


@pytest.mark.parametrize("name", sorted(DECODERS))
@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=120), where=st.integers(0, 1 << 30), flip=st.integers(0, 255))
@example(data=b"", where=0, flip=0)
def test_noise_and_changed_input(name: str, data: bytes, where: int, flip: int) -> None:
    refuses(DECODERS[name], data)
    known = [entry for entry, _ in corpus_of(name) if entry]
    if known:
        changed = bytearray(known[where % len(known)])
        changed[where % len(changed)] ^= flip
        refuses(DECODERS[name], bytes(changed))
        refuses(DECODERS[name], bytes(changed[: where % (len(changed) + 1)]))
