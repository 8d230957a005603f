"""The receiver's judgement: what is forged, changed, left out, repeated or of another history is seen and named."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver.evidence import KEY, LOG_KEY, NOW_MS, ORIGIN, History, entry_of, packs
from wayside.evidence.entry import Kind, encode_entry, epoch_body, gap_body, key_body
from wayside.receiver.account import Account, Report
from wayside.receiver.keys import DeviceKeys
from wayside.trust.keys import SoftwareKey
from wayside_wire import cbor
from wayside_wire.pack import SYNCED

DEVICE = SoftwareKey(b"\1" * 32)
OTHER = SoftwareKey(b"\2" * 32)
PINNED = {"m": [DEVICE.public]}
LONG = History([entry_of(raw) for raw in packs(60, DEVICE)])


def account_of(*batches: bytes, keys: DeviceKeys | None = None, see: Callable[[Report], None] | None = None) -> Account:
    account = Account(KEY, keys or DeviceKeys(PINNED), see)
    for batch in batches:
        account.take(ORIGIN, batch)
    return account


def refusals(account: Account) -> list[str]:
    return list(account.not_verified)


def test_all_is_well() -> None:
    seen: list[Report] = []
    account = account_of(LONG.batch(0, 20, 20), LONG.batch(20, 60, 60), see=seen.append)
    assert account.problems() == []
    assert (account.batches, account.entries, account.packs, account.redelivered) == (2, 60, 60, 0)
    assert account.logs[ORIGIN].size == 60
    assert [report.pack.sequence for report in seen] == list(range(60))
    assert all(report.signed for report in seen)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_order_any_overlap_any_repetition_is_the_same_account(seed: int) -> None:
    random = Random(seed)
    cuts = sorted({0, 60, *(random.randrange(60) for _ in range(6))})
    ranges = list(pairwise(cuts))
    ranges += [random.choice(ranges) for _ in range(3)]  # repeated as they were
    ranges += [(first, min(60, first + 7)) for first in (random.randrange(60) for _ in range(3))]  # cut differently
    random.shuffle(ranges)
    account = account_of(*(LONG.batch(first, end, random.randint(end, 60)) for first, end in ranges))
    account.take(ORIGIN, LONG.batch(59, 60))
    assert account.problems() == []
    assert (account.entries, account.packs, account.duplicates) == (60, 60, 0)
    assert account.redelivered == sum(end - first for first, end in ranges) + 1 - 60


def test_a_missing_batch_is_a_gap_in_the_log_and_in_the_device() -> None:
    account = account_of(LONG.batch(0, 20, 20), LONG.batch(30, 60, 60))
    assert account.gaps() == [f"{ORIGIN}: entries 20 to 29", "m: boot 0: sequence 20 to 29"]
    account.take(ORIGIN, LONG.batch(20, 30, 60))
    assert account.problems() == []


def test_entries_that_a_checkpoint_covers_and_that_do_not_come_are_missing() -> None:
    account = account_of(LONG.batch(0, 20, 50))
    assert account.problems() == [f"missing: {ORIGIN}: entries 20 to 49"]


def test_who_comes_later_misses_nothing_before() -> None:
    account = account_of(LONG.batch(40, 60, 60))
    assert account.problems() == []
    assert account.entries == 20


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_changed_bit_anywhere_and_the_batch_is_refused(data: st.DataObject) -> None:
    batch = bytearray(LONG.batch(10, 14, 33))
    at = data.draw(st.integers(0, len(batch) * 8 - 1))
    batch[at // 8] ^= 1 << at % 8
    account = account_of(bytes(batch))
    assert account.packs == 0
    assert len(account.not_verified) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_refused_with_a_reason(rubbish: bytes) -> None:
    account = account_of(rubbish)
    assert sum(account.not_verified.values()) == 1
    assert account.logs == {}


def test_reasons_do_not_fill_the_memory() -> None:
    account = account_of(*(LONG.batch(0, 1, 1, b"%d\n" % number) for number in range(300)))
    assert sum(account.not_verified.values()) == 300
    for number in range(300):
        account.take(f"other/log/{number}", LONG.batch(0, 20, 20))
    assert len(account.not_verified) <= 101
    assert account.logs == {}


def test_another_logs_key_and_another_logs_batches_are_refused() -> None:
    forged = LONG.batch(0, 20, 20, LONG.checkpoint(20, OTHER))
    assert "no signature by" in refusals(account_of(forged))[0]
    account = account_of()
    account.take("test.example/log/1", LONG.batch(0, 20, 20))  # published on another log's topic
    assert "no signature by" in refusals(account)[0]


def test_the_same_key_signs_the_next_epoch() -> None:
    origin = "test.example/log/1"
    account = account_of(LONG.batch(0, 60))
    entry = encode_entry(Kind.EPOCH, NOW_MS, SYNCED, epoch_body(ORIGIN, 60, bytes(32), "lost"))
    account.take(origin, History([entry], origin).batch(0, 1))
    assert account.problems() == []
    assert set(account.logs) == {ORIGIN, origin}


# --- two histories ---

SPLIT = [entry_of(raw) for raw in packs(60, DEVICE)]
FORKED = History(SPLIT[:30] + [entry_of(raw, "n") for raw in packs(30, DEVICE, "n")])


@pytest.mark.parametrize(
    ("honest", "forked"),
    [
        ((0, 60, 60), (0, 60, 60)),  # two roots of one size
        ((0, 40, 40), (40, 60, 60)),  # goes on from another history
        ((40, 60, 60), (0, 40, 40)),  # the same, late
        ((0, 40, 40), (20, 50, 50)),  # overlaps
        ((20, 40, 40), (30, 40, 40)),  # repeats the last entries with other content
        ((0, 30, 50), (30, 50, 55)),  # is not what the earlier checkpoint promised
    ],
)
def test_a_fork_is_seen_where_the_histories_touch(honest: tuple[int, int, int], forked: tuple[int, int, int]) -> None:
    account = account_of(LONG.batch(*honest), keys=DeviceKeys())
    assert account.not_verified.total() == 0
    account.take(ORIGIN, FORKED.batch(*forked))
    (reason,) = refusals(account)
    assert reason.startswith("fork: ")
    assert account.entries == honest[1] - honest[0], "nothing of the second history counts"


def test_a_fork_on_both_sides_of_a_gap_is_seen_when_the_gap_closes() -> None:
    account = account_of(LONG.batch(0, 35, 35), keys=DeviceKeys())
    account.take(ORIGIN, FORKED.batch(50, 60, 60))
    assert account.not_verified.total() == 0
    account.take(ORIGIN, LONG.batch(35, 50, 60))
    account.take(ORIGIN, FORKED.batch(35, 50, 60))
    assert [reason[:5] for reason in refusals(account)] == ["fork:"] * len(refusals(account))
    assert account.not_verified.total() == 2
    assert account.gaps()


# --- packs ---


def test_a_pack_that_its_device_did_not_sign_is_refused_and_the_rest_counts() -> None:
    entries = [entry_of(raw) for raw in packs(3, DEVICE)]
    raw = bytearray(packs(3, DEVICE)[1])
    raw[-1] ^= 1
    entries[1] = entry_of(bytes(raw))
    account = account_of(History(entries).batch(0, 3))
    assert account.packs == 2
    assert refusals(account) == ["entry 1: COSE: signature does not verify"]


def test_a_pinned_device_is_not_taken_from_another_key_whatever_the_log_says() -> None:
    registered = encode_entry(Kind.KEY, NOW_MS, SYNCED, key_body(OTHER.public, "node", ["m"], "registered"))
    history = History([registered, entry_of(packs(1, OTHER)[0])])
    assert refusals(account_of(history.batch(0, 2))) == ["entry 1: COSE: signature does not verify"]
    assert account_of(history.batch(0, 2), keys=DeviceKeys({"*": [DEVICE.public]})).packs == 0
    taken = account_of(history.batch(0, 2), keys=DeviceKeys())
    assert (taken.packs, taken.unsigned, taken.problems()) == (1, 0, [])


def a_key_and_its_end() -> History:
    """Registered, a pack, revoked, another pack."""
    first, second = (entry_of(raw) for raw in packs(2, OTHER))
    registered = encode_entry(Kind.KEY, NOW_MS, SYNCED, key_body(OTHER.public, "node", ["m"], "registered"))
    revoked = encode_entry(Kind.KEY, NOW_MS, SYNCED, key_body(OTHER.public, "node", [], "revoked"))
    return History([registered, first, revoked, second])


def test_a_revoked_key_counts_for_what_was_logged_before() -> None:
    account = account_of(a_key_and_its_end().batch(0, 4), keys=DeviceKeys())
    assert account.packs == 1 and refusals(account) == ["entry 3: COSE: signature does not verify"]


def test_a_revocation_that_comes_late_tells_of_what_was_taken_too_early() -> None:
    history = a_key_and_its_end()
    account = account_of(history.batch(0, 2), history.batch(3, 4), history.batch(2, 3), keys=DeviceKeys())
    assert account.packs == 2
    (reason,) = refusals(account)
    assert reason.startswith("entry 3: by key") and "which entry 2 had revoked" in reason


def test_a_registered_key_signs_for_its_devices_only() -> None:
    registered = encode_entry(Kind.KEY, NOW_MS, SYNCED, key_body(OTHER.public, "node", ["n"], "registered"))
    account = account_of(History([registered, entry_of(packs(1, OTHER)[0])]).batch(0, 2), keys=DeviceKeys())
    assert (account.packs, account.unsigned) == (1, 1)


def test_a_pack_under_another_devices_name_is_refused() -> None:
    account = account_of(History([entry_of(packs(1, DEVICE)[0], "n")]).batch(0, 1), keys=DeviceKeys())
    assert refusals(account) == ["entry 0: pack of m is logged as n's"]


def test_a_pack_that_is_in_the_log_twice_is_a_duplicate() -> None:
    (raw,) = packs(1, DEVICE)
    account = account_of(History([entry_of(raw), entry_of(raw)]).batch(0, 2))
    assert account.duplicates == 1
    assert account.problems() == ["m: 1 packs twice"]


def test_a_loss_that_the_log_names_is_shown_and_is_no_problem() -> None:
    raws = packs(6, DEVICE)
    gap = encode_entry(Kind.GAP, NOW_MS, SYNCED, gap_body("m", 0, 2, 4, "lost at source"))
    account = account_of(History([entry_of(raws[0]), entry_of(raws[1]), gap, entry_of(raws[5])]).batch(0, 4))
    assert account.problems() == []
    assert account.named_losses() == ["m: boot 0: sequence 2 to 4"]


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\x01",
        cbor.encode({0: 1, 1: 0, 2: 0, 3: {}}),
        cbor.encode({0: 1, 1: 0, 2: 0, 3: {0: "m", 1: "device", 2: "text"}}),
        cbor.encode({0: 1, 1: 0, 2: 0, 3: {0: 7, 1: "device", 2: b"x"}}),
        cbor.encode({0: 2, 1: 0, 2: 0, 3: {0: "m"}}),
        cbor.encode({0: 2, 1: 0, 2: 0, 3: {0: "m", 1: "x", 2: [], 3: {}, 4: ""}}),
        cbor.encode({0: 2, 1: 0, 2: 0, 3: {0: ["m"], 1: 0, 2: 0, 3: 0, 4: ""}}),
        cbor.encode({0: 2, 1: 0, 2: 0, 3: {0: "m", 1: 0, 2: 5, 3: 1, 4: ""}}),
        cbor.encode({0: 5, 1: 0, 2: 0, 3: {0: b"short", 1: "node", 2: ["m"], 3: "registered"}}),
        cbor.encode({0: 5, 1: 0, 2: 0, 3: {0: bytes(32), 1: "node", 2: [["m"]], 3: "registered"}}),
    ],
)
def test_an_entry_that_is_not_in_form_costs_itself_only(entry: bytes) -> None:
    account = account_of(History([entry, *SPLIT[:2]]).batch(0, 3))
    assert account.packs == 2
    assert len(account.not_verified) == 1
    assert all(reason.startswith("entry 0: ") for reason in refusals(account))


def test_kinds_that_are_not_known_yet_are_let_through() -> None:
    account = account_of(History([cbor.encode({0: 99, 1: 0, 2: 0, 3: {}})]).batch(0, 1))
    assert (account.entries, account.problems()) == (1, [])


def test_the_log_key_is_not_a_device_key() -> None:
    account = account_of(History([entry_of(packs(1, LOG_KEY)[0])]).batch(0, 1))
    assert account.packs == 0
