"""No secret of a site file is shown, logged or handed on by anything."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.text.redact import redact, redact_all

MARKER = "M4rk3rS3cret"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://works.example/in?token=abc", "https://works.example/..."),
        ("https://works.example:8443/t0ken: connection refused", "https://works.example:8443/...: connection refused"),
        ("sink mqtts://ann:pw@broker:8883, again", "sink mqtts://broker:8883, again"),
        ("mqtt://broker:1883: no answer within 5 s", "mqtt://broker:1883: no answer within 5 s"),
        ("(see http://[::1]:80/)", "(see http://[::1]:80/)"),
        ("'mqtt://u@h:1' -> 'mqtt://u@h:2'", "'mqtt://h:1' -> 'mqtt://h:2'"),
        ("mqtt://u:pa/ss@h", "mqtt://..."),
        ("mqtt://u:pa ss@h", "mqtt://... ss@h"),  # no site file takes a URL with a space
        ("mqtt://u:se?cr#et@h:1/x", "mqtt://..."),
        ("https://h/x?mail=a@b.example", "https://..."),
        ("https://h#frag", "https://h/..."),
        ("rtu:///dev/ttyUSB0?baud=9600&parity=N is busy", "rtu:///dev/ttyUSB0?baud=9600&parity=N is busy"),
        ("tcp://u:p@10.0.0.7:502", "tcp://10.0.0.7:502"),
        ("ann:pw@broker has no scheme", "...@broker has no scheme"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("authorization: bearer abc.def", "authorization: bearer ..."),
        ("12:30 at mail@example.org", "12:30 at mail@example.org"),
        ("mqtt://...: https://...", "mqtt://... https://..."),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_stays_of_a_text(text: str, shown: str):
    assert redact(text) == shown


_PART = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'`<>\\"), max_size=6)


@given(
    st.sampled_from(["mqtt", "mqtts", "http", "https", "tcp"]),
    st.sampled_from(
        ["{m}@h.example", "u:{m}@h.example:1", "h.example/{m}", "h.example:1/x?t={m}", "h.example#{m}", "u:{a}{m}@h"]
    ),
    _PART,
    _PART,
)
def test_no_part_of_a_url_that_can_hold_a_token_stays(scheme: str, form: str, before: str, after: str):
    """The address is all that is left, whatever stands around the token."""
    url = f"{scheme}://{form.format(m=before + MARKER + after, a=before)}"
    told = redact(f"sink: {url} failed")
    assert MARKER not in told and told.endswith(" failed") and told.startswith("sink: ")
    rest = told.removeprefix("sink: ").removesuffix(" failed")
    assert re.match(r"[a-z]+://", rest)


@given(st.text(max_size=60))
def test_redacting_twice_is_redacting_once(text: str):
    assert redact(redact(text)) == redact(text)


def test_every_text_of_a_value_is_redacted():
    told = {
        "a": [{"last_error": f"https://h/{MARKER}"}, (f"mqtt://{MARKER}@h", 1)],
        f"mqtt://h/{MARKER}": None,
        "n": 1.5,
    }
    assert redact_all(told) == {
        "a": [{"last_error": "https://h/..."}, ["mqtt://h", 1]],
        "mqtt://h/...": None,
        "n": 1.5,
    }


@pytest.mark.parametrize("piece", ["a", "a:", "a.", "://", "a://", "Bearer ", "a:b@", "a/", "rtu:///a", "a://a.", ","])
def test_a_long_text_costs_what_its_length_explains(piece: str):
    """16,000 letters took 14 s: the gateway does nothing else meanwhile, and a site file from afar can hold them."""
    text = f"{piece * (100_000 // len(piece))}!"
    begun_s = time.thread_time()
    redact(text)
    redact(f"mqtt://{text}")
    assert time.thread_time() - begun_s < 20
