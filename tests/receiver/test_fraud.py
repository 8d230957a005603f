"""What the log's key signed and what cannot be is called fraud, and proven to those who were not there."""

from pathlib import Path

import pytest
from evidence.site_log import LOG, START_MS, THIEF
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver.evidence import DEVICE, KEY, ORIGIN, SiteLog, account_of, batch, feed, good
from wayside.evidence import EvidenceError, history
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.fraud import FraudError
from wayside.evidence.fraud_batches import (
    BatchFraud,
    decode_batch_fraud,
    encode_batch_fraud,
    prove_batch_fraud,
    read_batch_fraud,
    write_batch_fraud,
)
from wayside.evidence.heads import Heads, StreamHead
from wayside.evidence.kinds import ConfigurationBody
from wayside.evidence.note import COSIGNATURE, ED25519, NoteKey
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.view import Verdict, verdict

LONG = good(59)
FORKED = good(29)
FORKED.add_packs(29, 59, boot=2)


def proven(account: SiteAccount) -> list[str]:
    """The account calls it fraud, and a stranger who has but the file and the log's key agrees."""
    assert verdict(account) is Verdict.FRAUD
    assert any(each.startswith("FRAUD: ") for each in account.problems())
    (fraud,) = account.proofs()
    origin, problems = prove_batch_fraud(decode_batch_fraud(encode_batch_fraud(fraud)), KEY)
    assert origin == ORIGIN and problems
    return problems


# --- two histories ---


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("honest", "forked"),
    [
        ((0, 60, 60), (0, 60, 60)),  # two roots of one size
        ((0, 40, 40), (40, 60, 60)),  # goes on from another history
        ((0, 40, 40), (20, 50, 50)),  # overlaps
        ((20, 40, 40), (30, 40, 40)),  # repeats the last entries with other content
        ((0, 30, 50), (30, 50, 55)),  # is not what the earlier checkpoint promised
        ((0, 60, 60), (35, 38, 50)),  # repeats some in the middle with other content
        ((0, 60, 60), (5, 8, 50)),  # repeats some with the same content, under a checkpoint of the other history
        ((0, 40, 60), (5, 8, 35)),  # of a size at which no batch began or ended
    ],
)
def test_a_fork_is_seen_where_the_histories_touch(
    honest: tuple[int, int, int], forked: tuple[int, int, int], swapped: bool
) -> None:
    pair = [(LONG, honest), (FORKED, forked)]
    (first, begun), (second, late) = pair[::-1] if swapped else pair
    account = account_of(first, begun)
    assert not account.logs[ORIGIN].frauds
    feed(account, second, late)
    assert "fork" in proven(account)[0] or "two roots" in proven(account)[0]
    assert account.entries == begun[1] - begun[0], "nothing of the second history counts"


def test_a_fork_on_both_sides_of_a_gap_is_seen_when_the_gap_closes() -> None:
    account = account_of(LONG, (0, 35, 35))
    feed(account, FORKED, (50, 60, 60))
    assert not account.logs[ORIGIN].frauds
    feed(account, LONG, (35, 50, 60))
    assert proven(account)


def test_every_size_between_is_compared_while_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_REMEMBERED", 16)
    for size in range(48, 59):
        account = account_of(LONG, (0, 20, 60), (20, 47, 60), (47, 60, 60))
        feed(account, FORKED, (5, 8, size))
        assert proven(account)


def test_two_lines_of_heads_under_one_root() -> None:
    account = account_of(LONG, (0, 20, 20))
    account.take(ORIGIN, batch(LONG, 0, 20, 20, LONG.heads(19)))
    assert "two lines of heads were signed for size 20" in proven(account)


# --- numbers and heads ---


def wrong_number(number: int) -> SiteLog:
    log = good(5)
    raw = encode_unplaced(START_MS, 2, ConfigurationBody(bytes(32)))
    log.add("gateway", ConfigurationBody(bytes(32)))
    log.add_raw("gateway", raw, number)
    log.add_packs(5, 8)
    return log


@pytest.mark.parametrize("number", [0, 2, 7])
@pytest.mark.parametrize(
    "ranges", [[(0,)], [(0, 6, 6), (6, 11)], [(0, 7, 7), (7, 8, 8), (8, 11)], [(8, 11), (0, 3, 3), (3, 7), (7, 8)]]
)
def test_a_number_that_cannot_be(number: int, ranges: list[tuple[int, ...]]) -> None:
    account = account_of(wrong_number(number), *ranges)
    assert any(f"number {number} of gateway" in each for each in proven(account))


def test_a_number_that_cannot_be_in_the_middle_of_a_log_that_was_joined_later() -> None:
    account = account_of(wrong_number(7), (5, 8, 8))
    assert verdict(account) is Verdict.FRAUD and any(each.startswith("FRAUD") for each in account.problems())


@pytest.mark.parametrize(
    "order", [[(0, 4, 4), (4, 8, 8), (8, 12, 12)], [(8, 12, 12), (4, 8, 8), (0, 4, 4)], [(4, 8, 8), (0, 12, 12)]]
)
def test_heads_that_are_not_those_of_the_entries(order: list[tuple[int, int, int]]) -> None:
    """The checkpoint of size 8 says that the device has fewer entries than came."""
    log = good(11)
    lie = Heads([*(head for head in log.heads(8) if head.stream == "keys"), StreamHead(f"device/{DEVICE}", 3, 3)])
    account = SiteAccount(KEY, DeviceKeys())
    for first, end, size in order:
        account.take(ORIGIN, batch(log, first, end, size, lie if size == 8 else None))
    assert "the heads under the checkpoint of size 8 are not those of its entries" in proven(account)


def test_heads_of_a_checkpoint_that_comes_when_its_entries_are_long_here() -> None:
    log = good(11)
    account = account_of(log)
    account.take(ORIGIN, batch(log, 0, 2, 4, log.heads(3)))
    assert verdict(account) is Verdict.FRAUD


def test_a_proof_is_as_small_as_what_came_since_the_last_checkpoint_that_was_right() -> None:
    log = good(200)
    log.add_raw("gateway", encode_unplaced(START_MS, 2, ConfigurationBody(bytes(32))), 5)
    account = account_of(log, *((first, first + 20, first + 20) for first in range(0, 200, 20)), (200, 202))
    (fraud,) = account.proofs()
    assert len(fraud.batches) == 1 and len(fraud.heads) == 2
    assert any("number 5 of gateway" in each for each in proven(account))


# --- nobody is accused who did nothing ---


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_nothing_that_an_honest_log_signed_is_proof(data: st.DataObject) -> None:
    size = st.integers(1, 60)
    sizes = data.draw(st.lists(size, max_size=4))
    parts = data.draw(st.lists(st.tuples(size, size, size).map(sorted), max_size=5))
    anchor = data.draw(st.none() | size)
    heads = tuple(LONG.heads(anchor)) if anchor else ()
    notes = tuple(LONG.checkpoint_at(each) for each in ([anchor] if anchor else []) + sizes)
    batches = tuple(batch(LONG, first - 1, end, under) for first, end, under in parts)
    with pytest.raises(FraudError):
        prove_batch_fraud(BatchFraud(heads, notes, batches), KEY)


def test_a_proof_by_another_key_or_with_other_heads_proves_nothing() -> None:
    (fraud,) = account_of(wrong_number(7)).proofs()
    for other in (NoteKey(ORIGIN, ED25519, THIEF.public), NoteKey("other.example/log/0", ED25519, LOG.public)):
        with pytest.raises(EvidenceError, match="no signature by"):
            prove_batch_fraud(fraud, other)
    with pytest.raises(FraudError, match="key of a witness"):
        prove_batch_fraud(fraud, NoteKey(ORIGIN, COSIGNATURE, LOG.public))
    heads = (StreamHead("keys", 1, 0), StreamHead("gateway", 9, 1))
    with pytest.raises(FraudError, match="not those that the first checkpoint commits to"):
        prove_batch_fraud(BatchFraud(heads, (LONG.checkpoint_at(10),), fraud.batches), KEY)
    assert prove_batch_fraud(fraud, NoteKey("site.example/log/7", ED25519, LOG.public))[0] == ORIGIN


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_file_that_is_no_proof_is_refused_with_a_reason(data: st.DataObject) -> None:
    raw = bytearray(encode_batch_fraud(BatchFraud((StreamHead("keys", 1, 0),), (b"note",), (b"batch",))))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with pytest.raises(EvidenceError):
        prove_batch_fraud(decode_batch_fraud(bytes(raw)), KEY)


def test_the_file_goes_from_one_to_the_other(tmp_path: Path) -> None:
    (fraud,) = account_of(wrong_number(7)).proofs()
    path = tmp_path / "fraud"
    write_batch_fraud(path, fraud)
    assert read_batch_fraud(path) == fraud
    path.write_bytes(b"something else")
    assert read_batch_fraud(path) is None
