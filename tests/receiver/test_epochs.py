"""One epoch tells of the one before: what did not come of it is missing, and what ended in it does not come back."""

from itertools import permutations

import pytest
from evidence.site_log import THIEF
from receiver.evidence import DEVICE, KEY, NODE, PINNED, SiteLog, batch, good, lines
from wayside.evidence import merkle
from wayside.evidence.entry import decode_entry
from wayside.evidence.fraud_batches import prove_batch_fraud
from wayside.evidence.kinds import EpochBody, PackBody
from wayside.evidence.stream import KEYS
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.view import Verdict, summary, verdict
from wayside_wire.pack import pack_hash

FIRST = good(25)


def after(before: SiteLog, size: int, root: bytes | None = None, epoch: int = 1, note: bytes | None = None) -> SiteLog:
    """A log that follows on `before`, of which it knows `size` entries."""
    log = SiteLog(f"site.example/log/{epoch}")
    root = root or merkle.root_hash(size, before.perfect)
    log.add(KEYS, EpochBody(before.origin, size, root, "lost", note))
    log.add_key()
    log.add_packs(0, 3, boot=1 + epoch)
    return log


def account_of(*parts: tuple[SiteLog, int, int, int], keys: DeviceKeys | None = None) -> SiteAccount:
    account = SiteAccount(KEY, keys or DeviceKeys())
    for log, first, end, size in parts:
        account.take(log.origin, batch(log, first, end, size))
    return account


def in_any_order(*parts: tuple[SiteLog, int, int, int]) -> list[SiteAccount]:
    return [account_of(*order) for order in permutations(parts)]


def test_a_new_epoch_after_all_of_the_one_before() -> None:
    for account in in_any_order((FIRST, 0, 10, 10), (FIRST, 10, 26, 26), (after(FIRST, 26), 0, 5, 5)):
        assert account.problems() == [] and verdict(account) is Verdict.GOOD
        assert account.packs == 28


def test_what_did_not_come_of_an_epoch_is_missing() -> None:
    for account in in_any_order((FIRST, 0, 5, 5), (after(FIRST, 26), 0, 5, 5)):
        lines(account.problems(), "missing: site.example/log/0: entries 5 to 25")


def once_more(value: int) -> SiteLog:
    """An epoch with packs of the one before: what a node sends again that missed the answer; or others so called."""
    log = SiteLog("site.example/log/1")
    log.add(KEYS, EpochBody(FIRST.origin, 26, merkle.root_hash(26, FIRST.perfect), "lost", None))
    log.add_key()
    log.previous = {(DEVICE, NODE.kid): pack_hash(made_again(21))}
    log.add_gap(1, 0, 21)
    for sequence in (22, 23, 24):
        log.add_pack(made_again(sequence) if sequence < 24 or not value else log.make_pack(sequence, value=value))
    log.add_packs(25, 27)
    return log


def made_again(sequence: int) -> bytes:
    body = decode_entry(FIRST.items[1 + sequence].entry).body
    assert isinstance(body, PackBody)
    return body.raw


def test_a_pack_that_stands_in_two_epochs_is_one_pack() -> None:
    for account in in_any_order((FIRST, 0, 10, 10), (FIRST, 10, 26, 26), (once_more(0), 0, 8, 8)):
        assert account.packs == 27 and account.duplicates == 3
        assert not any("content" in each for each in account.problems())


def test_a_number_with_other_content_in_another_epoch_is_a_problem() -> None:
    for account in in_any_order((FIRST, 0, 26, 26), (once_more(1), 0, 8, 8)):
        assert "log/1: meter-1: 1/24 is a pack of an earlier epoch with other content" in account.problems()


def test_a_later_epoch_that_says_less_of_it_takes_nothing_back() -> None:
    """A card that is restored knows less of the log before than the epoch that it has lost."""
    later = after(FIRST, 5, epoch=2)
    for account in in_any_order((FIRST, 0, 5, 5), (after(FIRST, 26), 0, 5, 5), (later, 0, 5, 5)):
        lines(account.problems(), "missing: site.example/log/0: entries 5 to 25")


def test_an_epoch_of_which_nothing_came_is_missing_between_two() -> None:
    second = after(FIRST, 26)
    third = after(second, 5, epoch=2)
    for account in in_any_order((FIRST, 0, 26, 26), (third, 0, 5, 5)):
        lines(account.problems(), "missing: site.example/log/1: entries 0 to 4")
    # Who has nothing older joined with it, as somebody who joins in the middle of a log.
    assert account_of((third, 0, 5, 5)).problems() == []


def test_an_epoch_that_forgets_what_was_signed() -> None:
    for account in in_any_order((FIRST, 0, 26, 26), (after(FIRST, 20), 0, 5, 5)):
        lines(account.problems(), "entry 0 says that site.example/log/0 ended with 20 entries, but 26 were signed")


@pytest.mark.parametrize("size", [26, 10])
def test_an_epoch_that_says_another_root_of_the_one_before(size: int) -> None:
    """Without a note nobody signed that root: a gateway whose disk was spoiled says what it found."""
    for account in in_any_order((FIRST, 0, 10, 10), (FIRST, 10, 26, 26), (after(FIRST, size, bytes(32)), 0, 5, 5)):
        assert verdict(account) is Verdict.WRONG
        assert any("log/1: entry 0 says what site.example/log/0 was" in each for each in account.problems())


def test_an_epoch_that_brings_another_signed_checkpoint_proves_the_fraud() -> None:
    other = good(24)
    other.add_packs(24, 25, boot=2)
    second = after(other, 26, note=other.checkpoint)
    for account in in_any_order((FIRST, 0, 26, 26), (second, 0, 5, 5)):
        assert verdict(account) is Verdict.FRAUD
        (fraud,) = account.proofs()
        assert prove_batch_fraud(fraud, KEY) == (FIRST.origin, ["two roots were signed for size 26"])


@pytest.mark.parametrize("before", ["site.example/log/1", "site.example/log/2", "other.example/log/0"])
def test_a_beginning_that_is_none(before: str) -> None:
    other = SiteLog(before)
    log = after(other, 0, bytes(32))
    lines(account_of((log, 0, 5, 5)).problems(), f"entry 0 is no beginning of this log: it follows on {before}")


def test_a_beginning_whose_checkpoint_another_signed_is_none() -> None:
    """The same judgement as the verifier's: what it names must be by the log's key, and what its fields say."""
    thiefs = SiteLog(key=THIEF)
    thiefs.add_key()
    named = after(thiefs, 1, note=thiefs.checkpoint)
    lines(account_of((named, 0, 5, 5)).problems(), "is not signed by a key of this log")
    other = after(FIRST, 25, note=FIRST.checkpoint)
    lines(account_of((other, 0, 5, 5)).problems(), "names another end of site.example/log/0 than its checkpoint")


def test_a_second_beginning_is_none() -> None:
    log = after(FIRST, 26)
    log.add(KEYS, EpochBody(FIRST.origin, 26, bytes(32), "again", None))
    problems = account_of((log, 0, 6, 6)).problems()
    assert any("entry 5 says how the log began, and is not its first" in each for each in problems)


def test_a_later_epoch_begins_with_the_one_before() -> None:
    log = SiteLog("site.example/log/1")
    log.add_key()
    lines(account_of((log, 0, 1, 1)).problems(), "entry 0 does not say how the log before it ended")


@pytest.mark.parametrize("keys", [DeviceKeys(), DeviceKeys(PINNED)])
def test_a_key_that_was_revoked_in_one_epoch_counts_in_no_later_one(keys: DeviceKeys) -> None:
    ended = good(2)
    ended.add_key("revoked", reason="stolen")
    second = after(ended, 4)
    third = after(second, 5, epoch=2)
    third.add_key(key=THIEF)
    parts = [(ended, 0, 4, 4), (second, 0, 5, 5), (third, 0, 6, 6)]
    for order in permutations(parts):
        account = account_of(*order, keys=keys)
        why = f"3 packs do not count: key {NODE.kid.hex()} was revoked by entry 3 of site.example/log/0"
        lines(account.problems(), f"log/1: {DEVICE}: {why}", f"log/2: {DEVICE}: {why}")
        assert account.packs == 2
        assert "packs         2 from" in "\n".join(summary(account, "site"))


def test_what_is_shown_of_a_key_that_an_earlier_epoch_revoked_is_not_called_verified() -> None:
    ended = good(2)
    ended.add_key("revoked")
    seen: list[VerifiedPack] = []
    account = SiteAccount(KEY, DeviceKeys(), seen.append)
    for log in (ended, after(ended, 4)):
        account.take(log.origin, batch(log))
    assert [report.signed for report in seen] == [True] * 2 + [False] * 3


def test_a_key_of_a_later_epoch_that_is_revoked_counts_in_the_earlier_one() -> None:
    second = after(FIRST, 26)
    second.add_key("revoked")
    assert account_of((FIRST, 0, 26, 26), (second, 0, 6, 6)).problems() == []
