"""The rule for names of devices and channels: one function for the wire, a node's file, the site file and the log."""

import re

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from wayside.evidence import EvidenceError
from wayside.evidence.stream import check_stream
from wayside.settings.config_values import Name
from wayside_wire.text import is_name

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,47}")  # as docs/wire-format.md has it
ANY = st.one_of(
    st.from_regex(NAME, fullmatch=True), st.text(max_size=50), st.text("abZ09-:._ /\n\u00e4\u0660", max_size=50)
)


def is_taken(text: str) -> bool:
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True


def is_stream(name: str) -> bool:
    try:
        return check_stream(f"device/{name}") == "device"
    except EvidenceError:
        return False


@given(ANY)
def test_a_name_is_the_same_everywhere(text: str) -> None:
    expected = NAME.fullmatch(text) is not None
    assert (is_name(text), is_taken(text), is_stream(text)) == (expected,) * 3


def test_what_is_no_text_is_no_name() -> None:
    assert not any(map(is_name, (None, 1, b"meter", ["m"], True)))
