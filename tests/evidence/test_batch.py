"""A batch stands on its own: whatever is changed about it, it does not verify."""

import pytest
from evidence.site_log import KEY, THIEF, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError, merkle
from wayside.evidence.batch import MAX_BATCH, BatchVerifier, ForkError, encode_batch
from wayside.evidence.note import sign_note
from wayside_wire import cbor


def log_of(count: int) -> SiteLog:
    log = SiteLog()
    for index in range(count):
        log.add_bytes(b"entry %d" % index, "gateway", index)
    return log


LOG = log_of(100)


def batch(first: int, end: int, log: SiteLog = LOG) -> bytes:
    return encode_batch(log.checkpoint, first, log.items[first:end], log.subset_proof([(first, end)]))


@given(st.integers(0, 99), st.integers(1, 100))
def test_any_range_verifies_and_brings_the_frontier_before_it(first: int, count: int):
    end = min(100, first + count)
    verified = BatchVerifier(KEY).verify(batch(first, end))
    assert (verified.origin, verified.first, verified.size) == (KEY.name, first, 100)
    assert [entry for _, entry in verified.records] == [b"entry %d" % index for index in range(first, end)]
    assert list(verified.before) == merkle.frontier_hashes(first, LOG.perfect)


@given(st.data())
def test_no_changed_byte_verifies(data: st.DataObject):
    raw = bytearray(batch(37, 41))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        BatchVerifier(KEY).verify(bytes(raw))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        (0, "text", "wrong type"),
        (1, -1, "wrong type"),
        (1, True, "wrong type"),
        (1, 99, "do not fit"),
        (1, 36, "not those|proof"),
        (2, [], "pairs"),
        (2, [[b"short", b""]], "pairs"),
        (2, [[bytes(16)]], "pairs"),
        (3, [bytes(31)], "32 bytes"),
        (3, [], "short"),
        (3, [1], "list of hashes"),
        (4, 0, "not a map of"),
    ],
)
def test_a_batch_out_of_form_is_refused_with_its_reason(field: int, value: object, why: str):
    fields = cbor.decode(batch(37, 41))
    fields[field] = value
    with pytest.raises(EvidenceError, match=why):
        BatchVerifier(KEY).verify(cbor.encode(fields))


def test_oversize_and_trailing_bytes_are_refused():
    with pytest.raises(EvidenceError, match="over"):
        BatchVerifier(KEY).verify(bytes(MAX_BATCH + 1))
    with pytest.raises(EvidenceError, match="after the item"):
        BatchVerifier(KEY).verify(batch(0, 1) + b"\0")


def test_two_roots_of_one_size_are_a_fork():
    verifier = BatchVerifier(KEY)
    verifier.verify(batch(0, 10))
    other = SiteLog()
    for index in range(100):
        other.add_bytes(b"other %d" % index, "gateway", index)
    with pytest.raises(ForkError, match="fork") as raised:
        verifier.verify(batch(0, 10, other))
    assert raised.value.notes == (LOG.checkpoint, other.checkpoint)


def test_two_lines_of_heads_of_one_size_are_refused():
    verifier = BatchVerifier(KEY)
    verifier.verify(batch(0, 10))
    checkpoint = LOG.checkpoint_at(100, LOG.heads(99))
    with pytest.raises(ForkError, match="two lines of heads") as raised:
        verifier.verify(encode_batch(checkpoint, 0, LOG.items[:10], LOG.subset_proof([(0, 10)])))
    assert raised.value.notes == (LOG.checkpoint, checkpoint)


def test_a_checkpoint_without_heads_covers_no_batch():
    text = "\n".join(LOG.checkpoint.decode().split("\n")[:3]) + "\n"
    checkpoint = sign_note(text, KEY, LOG.key.sign).encode()
    with pytest.raises(EvidenceError, match="does not commit"):
        BatchVerifier(KEY).verify(encode_batch(checkpoint, 0, LOG.items[:10], LOG.subset_proof([(0, 10)])))


def test_a_batch_of_another_key_is_refused():
    other = SiteLog(key=THIEF)
    other.add_bytes(b"x", "gateway", 0)
    with pytest.raises(EvidenceError, match="no signature"):
        BatchVerifier(KEY).verify(batch(0, 1, other))
