"""The receiver's judgement: what is forged, changed, left out, repeated or of another history is seen and named."""

from itertools import pairwise
from random import Random

import pytest
from evidence.site_log import LOG, START_MS, THIEF
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver.evidence import DEVICE, KEY, NODE, ORIGIN, PINNED, SiteLog, account_of, batch, feed, good, lines
from wayside.evidence.batch import encode_batch
from wayside.evidence.kinds import GATEWAY, GATEWAY_ATTESTED, OverloadBody
from wayside.evidence.note import NoteKey, sign_note
from wayside.evidence.stream import device_stream
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.view import Verdict, verdict
from wayside_wire import cbor

LONG = good(59)


def refusals(account: SiteAccount) -> list[str]:
    return list(account.not_verified)


def test_all_is_well() -> None:
    seen: list[VerifiedPack] = []
    account = account_of(LONG, (0, 20, 20), (20, 60, 60), see=seen.append)
    assert account.problems() == [] and verdict(account) is Verdict.GOOD
    assert (account.batches, account.entries, account.packs, account.redelivered) == (2, 60, 59, 0)
    assert (account.logs[ORIGIN].size, account.unknown, account.devices) == (60, 0, {DEVICE})
    assert [report.pack.sequence for report in seen] == list(range(59))
    assert all(report.signed for report in seen)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_order_any_overlap_any_repetition_is_the_same_account(seed: int) -> None:
    random = Random(seed)
    cuts = sorted({0, 60, *(random.randrange(60) for _ in range(6))})
    ranges = list(pairwise(cuts))
    ranges += [random.choice(ranges) for _ in range(3)]  # repeated as they were
    ranges += [(first, min(60, first + 7)) for first in (random.randrange(60) for _ in range(3))]  # cut differently
    random.shuffle(ranges)
    account = account_of(LONG, *((first, end, random.randint(end, 60)) for first, end in ranges), (59, 60))
    assert account.problems() == [] and verdict(account) is Verdict.GOOD
    assert (account.entries, account.packs, account.duplicates) == (60, 59, 0)
    assert account.redelivered == sum(end - first for first, end in ranges) + 1 - 60


def test_a_missing_batch_is_a_gap_in_the_log_and_is_filled_by_it() -> None:
    account = account_of(LONG, (0, 20, 20), (30, 60, 60))
    assert account.gaps() == [f"{ORIGIN}: entries 20 to 29"]
    assert verdict(account) is Verdict.WRONG
    feed(account, LONG, (20, 30, 60))
    assert account.problems() == [] and verdict(account) is Verdict.GOOD


def test_entries_that_a_checkpoint_covers_and_that_do_not_come_are_missing() -> None:
    assert account_of(LONG, (0, 20, 50)).problems() == [f"missing: {ORIGIN}: entries 20 to 49"]


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_one_changed_bit_anywhere_and_the_batch_is_refused(data: st.DataObject) -> None:
    changed = bytearray(batch(LONG, 10, 14, 33))
    at = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[at // 8] ^= 1 << at % 8
    account = SiteAccount(KEY, DeviceKeys(PINNED))
    account.take(ORIGIN, bytes(changed))
    assert (account.packs, len(account.not_verified), account.logs) == (0, 1, {})


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=30), st.binary(max_size=200))
def test_rubbish_is_refused_with_a_reason(topic: str, rubbish: bytes) -> None:
    account = SiteAccount(KEY, DeviceKeys())
    account.take(ORIGIN, rubbish)
    account.take(topic, batch(LONG))
    assert sum(account.not_verified.values()) == 2
    assert account.logs == {}


def test_reasons_do_not_fill_the_memory() -> None:
    account = SiteAccount(KEY, DeviceKeys())
    for number in range(300):
        account.take(ORIGIN, encode_batch(b"%d\n" % number, 0, LONG.items[:1], []))
    assert sum(account.not_verified.values()) == 300
    for number in range(300):
        account.take(f"other/log/{number}", batch(LONG, 0, 20, 20))
    assert len(account.not_verified) <= 101
    assert account.logs == {}


def test_another_logs_key_and_another_logs_batches_are_refused() -> None:
    forged = good()
    forged.key = THIEF
    lines(account_of(forged).problems(), "no signature by")
    account = SiteAccount(KEY, DeviceKeys())
    account.take("site.example/log/1", batch(LONG, 0, 20, 20))  # published on another log's topic
    lines(account.problems(), "no signature by")


def test_a_checkpoint_that_commits_to_no_heads_is_refused() -> None:
    text = "\n".join(LONG.checkpoint_at(20).decode().split("\n")[:3]) + "\n"
    note = sign_note(text, NoteKey(ORIGIN, KEY.kind, LOG.public), LOG.sign).encode()
    account = SiteAccount(KEY, DeviceKeys())
    whole = cbor.decode(batch(LONG, 0, 20, 20))
    account.take(ORIGIN, cbor.encode({**whole, 0: note}))
    lines(account.problems(), "does not commit to its streams' heads")


# --- packs ---


def test_a_pack_that_its_device_did_not_sign_is_refused_and_the_rest_counts() -> None:
    log = good(1)
    raw = bytearray(log.make_pack(1))
    raw[-1] ^= 1
    log.add_pack(bytes(raw))
    log.add_packs(2, 3)
    account = account_of(log)
    assert account.packs == 2
    lines(account.problems(), f"{DEVICE}: entry 2: COSE: signature does not verify", "boot 1: sequence 1 to 1")


def test_a_bad_signature_by_a_key_that_nobody_knows_is_not_called_unsigned() -> None:
    log = SiteLog()
    raw = bytearray(log.make_pack(0, key=THIEF))
    raw[-1] ^= 1
    log.add_pack(bytes(raw))
    account = account_of(log)
    assert (account.packs, account.unknown, verdict(account)) == (0, 0, Verdict.WRONG)
    lines(account.problems(), "is not registered in the entries before it")


def test_a_pinned_device_is_not_taken_from_another_key_whatever_the_log_says() -> None:
    log = SiteLog()
    log.add_key(key=THIEF)
    log.add_packs(0, 1, key=THIEF)
    lines(account_of(log, pins=PINNED).problems(), "is not the one that was given for meter-1")
    lines(account_of(log, pins={"*": [NODE.public]}).problems(), "is not the one that was given")
    assert account_of(log).problems() == []


def test_a_gateways_key_is_not_a_devices() -> None:
    log = SiteLog()
    log.add_key(role=GATEWAY)
    log.add_packs(0, 1)
    log.add_pack(log.make_pack(1), attested=GATEWAY_ATTESTED)
    account = account_of(log)
    assert account.packs == 1
    lines(account.problems(), "called device-attested, but signed by the key of a gateway", "before boot 1 sequence 1")


def test_a_dropped_device_no_longer_counts() -> None:
    log = SiteLog()
    log.add_key(devices=[DEVICE, "meter-2"])
    log.add_packs(0, 1, "meter-2")
    log.add_key(devices=[DEVICE])
    log.add_packs(1, 2, "meter-2")
    account = account_of(log)
    assert account.packs == 1
    lines(account.problems(), "is not registered for meter-2")


def revoked() -> SiteLog:
    log = good(1)
    log.add_key("revoked", reason="stolen")
    log.add_packs(1, 2)
    return log


@pytest.mark.parametrize("ranges", [[(0,)], [(0, 2, 2), (3, 4), (2, 3)], [(3, 4), (0, 3, 3)], [(2, 4), (0, 2)]])
def test_a_revoked_key_counts_for_what_was_logged_before_in_whatever_order_it_comes(ranges: list[list[int]]) -> None:
    account = account_of(revoked(), *ranges)
    assert account.packs == 1
    lines(account.problems(), f"{DEVICE}: entry 3: key {NODE.kid.hex()} was revoked by entry 2 (stolen)")


def test_a_pack_that_overtakes_its_keys_registration_waits_for_it() -> None:
    log = good(3)
    account = account_of(log, (2, 4))
    assert (account.packs, account.unknown, verdict(account)) == (0, 2, Verdict.NOT_ALL_KNOWN)
    feed(account, log, (0, 2))
    assert (account.packs, account.problems(), verdict(account)) == (3, [], Verdict.GOOD)


def test_a_pack_under_another_devices_name_is_refused() -> None:
    log = SiteLog()
    log.add_key(devices=[DEVICE, "meter-2"])
    log.add_pack(log.make_pack(0), "meter-2")
    lines(account_of(log).problems(), "meter-2: entry 1: is a pack of meter-1")


def test_a_pack_twice_is_judged_as_the_verifier_does() -> None:
    again = good(0)
    raw = again.make_pack(0)
    again.add_pack(raw)
    again.add_pack(raw)
    account = account_of(again)
    assert (account.duplicates, account.packs, account.problems()) == (1, 1, [])
    other = good(1)
    other.add_pack(other.make_pack(0, value=5))
    lines(account_of(other).problems(), "entry 2: pack 1/0 is there twice, with different content")


def test_a_pack_that_comes_again_after_too_many_is_not_called_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayside.receiver.keys.REMEMBERED", 3)
    log = good(0)
    raws = [log.make_pack(sequence) for sequence in range(5)]
    for raw in (*raws, raws[4], raws[0]):
        log.add_pack(raw)
    account = account_of(log)
    assert account.duplicates == 1
    lines(account.problems(), "entry 7: pack 1/0 comes again, after so many that its content is no longer remembered")


def test_a_loss_that_the_log_names_is_shown_and_is_no_problem() -> None:
    log = good(2)
    for sequence in range(2, 5):
        log.make_pack(sequence)
    log.add_gap(1, 2, 4)
    log.add_packs(5, 6)
    log.add(device_stream(DEVICE), OverloadBody(500, "discard-oldest"))
    account = account_of(log)
    assert account.problems() == []
    lines(account.named_losses(), "boot 1: sequence 2 to 4 (entry 3: lost)", "500 reports gave way")


def test_a_silent_loss_is_missing() -> None:
    log = good(2)
    log.make_pack(2)
    log.add_packs(3, 4)
    lines(account_of(log).problems(), "missing: meter-1: boot 1: sequence 2 to 2")


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\x01",
        cbor.encode({0: 1, 1: 0, 2: 0, 3: {}, 4: "device/m", 5: 0}),
        cbor.encode({0: 1, 1: 0, 2: 0, 3: {0: "meter", 1: b""}, 4: "device/m", 5: 0}),
        cbor.encode({0: 2, 1: 0, 2: 0, 3: {0: bytes(8), 1: 0, 2: 5, 3: 1, 4: ""}, 4: "device/m", 5: 0}),
        cbor.encode({0: 5, 1: 0, 2: 0, 3: {0: b"short", 1: "node", 2: ["m"], 3: "registered"}, 4: "keys", 5: 0}),
        cbor.encode({0: 5, 1: 0, 2: 0, 3: {0: bytes(32), 1: "auditor", 2: ["m"], 3: "registered"}, 4: "keys", 5: 0}),
    ],
)
def test_an_entry_that_is_not_in_form_costs_itself_only(entry: bytes) -> None:
    log = good(1)
    log.add_bytes(entry, "gateway", 0)
    log.add_packs(1, 3)
    account = account_of(log)
    assert account.packs == 3
    lines(account.problems(), "entry 2: ")


def test_kinds_that_are_not_known_yet_are_let_through() -> None:
    log = good(1)
    log.add_raw("gateway", cbor.encode({0: 99, 1: START_MS, 2: 0, 3: {}}))
    assert account_of(log).problems() == []


def test_the_log_key_is_not_a_device_key() -> None:
    log = good(0)
    log.add_packs(0, 1, key=LOG)
    assert account_of(log).packs == 0


def test_the_log_does_not_go_on_behind_the_revocation_of_its_key() -> None:
    log = good(1)
    log.add_key("registered", LOG, [], "log")
    log.add_key("revoked", LOG, [], "log", reason="stolen")
    log.add_packs(1, 2)
    lines(account_of(log).problems(), "the checkpoint is signed by a log key that entry 3 revoked")


def test_a_key_is_not_registered_again_after_it_was_revoked() -> None:
    log = revoked()
    log.add_key()
    assert any("registered again after it was revoked" in each for each in account_of(log).problems())


# --- who joins later ---


def test_who_joins_later_says_what_he_cannot_know() -> None:
    account = account_of(LONG, (40, 60, 60))
    assert (account.entries, account.packs, account.unknown, account.problems()) == (20, 0, 20, [])
    assert verdict(account) is Verdict.NOT_ALL_KNOWN


def test_a_key_that_was_given_needs_no_beginning() -> None:
    seen: list[VerifiedPack] = []
    account = account_of(LONG, (40, 60, 60), pins=PINNED, see=seen.append)
    assert (account.packs, account.unknown, account.problems()) == (20, 0, [])
    assert verdict(account) is Verdict.GOOD and all(each.signed for each in seen)


def test_a_key_that_was_given_ends_where_the_log_says_so() -> None:
    lines(account_of(revoked(), (1, 4), pins=PINNED).problems(), "was revoked by entry 2")
    not_registered = SiteLog()
    not_registered.add_packs(0, 1)
    lines(account_of(not_registered, pins=PINNED).problems(), "is not registered in the entries before it")


def test_who_joins_later_and_gets_the_beginning_after_all_knows_all() -> None:
    account = account_of(LONG, (40, 60, 60))
    feed(account, LONG, (0, 10), (10, 40, 55))
    assert (account.packs, account.unknown, verdict(account)) == (59, 0, Verdict.GOOD)


def test_a_key_that_comes_again_behind_the_hole_is_not_sure() -> None:
    log = good(3)
    log.add_key()
    log.add_packs(3, 6)
    account = account_of(log, (3, 8))
    assert (account.packs, account.unknown) == (3, 4), "whether the log had revoked it is not known"
    assert account.problems() == [] and verdict(account) is Verdict.NOT_ALL_KNOWN


def test_what_waits_is_bounded_and_what_comes_too_late_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayside.receiver.log_account.MAX_WAITING", 16)
    account = account_of(LONG, (0, 20), (21, 60))
    assert account.logs[ORIGIN].judged.next == 60
    feed(account, LONG, (20, 21))
    assert account.gaps() == ["meter-1: boot 1: sequence 19 to 19"]
    assert any(each.startswith("not judged: 1 entries") for each in account.problems())


PARTS = {first: batch(LONG, first, first + 4) for first in range(0, 60, 4)}


@settings(max_examples=examples(60), deadline=None)
@given(st.permutations(list(PARTS)), st.integers(0, 14), st.booleans())
def test_asking_on_the_way_changes_nothing(order: list[int], until: int, pinned: bool) -> None:
    asked, silent = (SiteAccount(KEY, DeviceKeys(PINNED if pinned else None)) for _ in range(2))
    for first in order[: until + 1]:
        asked.take(ORIGIN, PARTS[first])
        silent.take(ORIGIN, PARTS[first])
        assert asked.packs + asked.unknown >= asked.entries - 1
    assert (asked.packs, asked.unknown, asked.problems()) == (silent.packs, silent.unknown, silent.problems())
    for first in order[until + 1 :]:
        asked.take(ORIGIN, PARTS[first])
    assert asked.problems() == [] and (asked.packs, asked.unknown) == (59, 0)
