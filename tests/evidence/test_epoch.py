"""What the first entry of an epoch proves: the checkpoints that it names were signed, and came before."""

from collections.abc import Sequence
from typing import Any

import pytest
from evidence.site_log import KEY, LOG, THIEF
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry, encode_entry
from wayside.evidence.epoch import check_beginning, check_continuation, opener, read_beginning
from wayside.evidence.kinds import EntryKind, EpochBody, RetentionBody
from wayside.evidence.note import parse_checkpoint, parse_note
from wayside.evidence.origin import Origin
from wayside.evidence.stream import KEYS, device_stream
from wayside.trust.keys import SoftwareKey
from wayside_wire import cbor
from witness.setting import GrowingLog

OWN = Origin("site.example", 3)
OLD = GrowingLog("site.example/log/2").grow(5)
END = parse_checkpoint(parse_note(OLD.checkpoint))
OPEN = opener([LOG.public])
ROTATED = SoftwareKey(b"2" * 32)
NO_ORIGINS = ["", "log/0", "site.example/log/00", "site.example/log/2147483648", "S.example/log/0", " s.example/log/0"]


def body(note: bytes = OLD.checkpoint, shown: Sequence[bytes] = (), **changes: Any) -> EpochBody:
    fields = {"before": OLD.origin, "size": 5, "root": END.root, "cause": "lost"} | changes
    return EpochBody(note=note or None, shown=tuple(shown), **fields)


def test_it_proves_the_checkpoints_that_it_names():
    earlier = GrowingLog("site.example/log/0").grow(9).checkpoint
    found = check_beginning(body(shown=[earlier]), OWN, OPEN)
    assert found == [END, parse_checkpoint(parse_note(earlier))]
    assert check_beginning(body(b"", size=0), OWN, OPEN) == [], "nothing was signed, or it is lost: nothing is proven"
    assert read_beginning(body(b"")).note == b""


def test_over_a_rotation_the_old_key_is_one_of_those_that_count():
    with pytest.raises(EvidenceError, match="not signed by a key of this log"):
        check_beginning(body(), OWN, opener([ROTATED.public]))
    assert check_beginning(body(), OWN, opener([ROTATED.public, LOG.public])) == [END]


@pytest.mark.parametrize(
    "wrong",
    [
        body(size=4),
        body(size=6),
        body(root=bytes(32)),
        body(before="site.example/log/1"),
        body(before="other.example/log/2"),
        body(before="site.example/log/3"),
        body(before="site.example/log/4"),
        body(b"junk"),
        body(OLD.checkpoint.replace(b"\n5\n", b"\n6\n"), size=6),
        body(GrowingLog("site.example/log/2", THIEF).grow(5).checkpoint),
        body(GrowingLog("other.example/log/2").grow(5).checkpoint),
        body(shown=[b"junk"]),
        body(shown=[GrowingLog("site.example/log/0", THIEF).grow(5).checkpoint]),
        body(shown=[GrowingLog("site.example/log/3").grow(5).checkpoint]),
        body(shown=[GrowingLog("site.example/log/4").grow(5).checkpoint]),
        body(shown=[GrowingLog("other.example/log/0").grow(5).checkpoint]),
        body(b"", shown=[GrowingLog("site.example/log/0", THIEF).grow(5).checkpoint]),
        body(b"", before="site.example/log/3"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: EpochBody):
    with pytest.raises(EvidenceError):
        check_beginning(wrong, OWN, OPEN)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (0, "site.example/log/00"),
        (0, "log/0"),
        (1, -1),
        (2, bytes(31)),
        (2, bytes(33)),
        (4, ""),
        (4, 0),
        (5, []),
        (5, [""]),
        (5, b""),
        (5, None),
    ],
)
def test_a_body_of_other_types_is_no_epoch_entry(label: int, value: object):
    made = EpochBody(OLD.origin, 5, END.root, "lost", OLD.checkpoint, (OLD.checkpoint,)).encode() | {label: value}
    with pytest.raises(EvidenceError, match=f"field {label}"):
        decode_entry(cbor.encode({0: int(EntryKind.EPOCH), 1: 0, 2: 2, 3: made, 4: KEYS, 5: 0}))


@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_an_entry_names_a_log_in_its_one_form(origin: str):
    made = EpochBody(OLD.origin, 5, END.root, "lost", None).encode() | {0: origin}
    with pytest.raises(EvidenceError, match="field 0"):
        decode_entry(cbor.encode({0: int(EntryKind.EPOCH), 1: 0, 2: 2, 3: made, 4: KEYS, 5: 0}))
    made = RetentionBody(0, 1, "age", OLD.origin).encode() | {3: origin}
    with pytest.raises(EvidenceError, match="field 3"):
        decode_entry(cbor.encode({0: int(EntryKind.RETENTION), 1: 0, 2: 2, 3: made, 4: device_stream("m"), 5: 0}))
    for body_of in (EpochBody(origin, 5, END.root, "lost", None), RetentionBody(0, 1, "age", origin)):
        if origin or isinstance(body_of, EpochBody):
            with pytest.raises(EvidenceError, match="out of form"):
                encode_entry(0, 2, body_of, KEYS, 0)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 3), st.data())
def test_a_way_back_holds_for_what_it_contains_and_nothing_else(
    first: int, more: int, epochs: int, data: st.DataObject
):
    """Whatever was known of epoch 0, larger, smaller or another history: what is taken contains it."""
    start = log = GrowingLog().grow(first)
    start.grow(more)
    for _ in range(epochs + 1):
        log = log.next().grow(1)
    known = parse_checkpoint(parse_note(start.checkpoint_at(first)))
    way, now = log.continuation(known), parse_checkpoint(parse_note(log.checkpoint))
    end, note = check_continuation(way, now, known, OPEN)
    assert end == parse_checkpoint(parse_note(start.checkpoint)) == OPEN(note)
    other = data.draw(st.sampled_from([GrowingLog().grow(first, b"other"), GrowingLog().grow(first + more + 1)]))
    for size in {1, first, other.size}:
        held = parse_checkpoint(parse_note(other.checkpoint_at(size)))
        if not start.contains(held):
            with pytest.raises(EvidenceError):
                check_continuation(way, now, held, OPEN)


def test_a_key_of_the_log_is_needed_for_an_end_that_was_not_known():
    log = GrowingLog().grow(2)
    known = parse_checkpoint(parse_note(log.checkpoint))
    log.grow(3)
    after = log.next()
    now = parse_checkpoint(parse_note(after.checkpoint))
    with pytest.raises(EvidenceError):
        check_continuation(after.continuation(known), now, known, opener([THIEF.public]))
    assert check_continuation(after.continuation(known), now, known, opener([KEY.public]))[0].size == 5
