"""Batches of a log in memory, also of one that no honest gateway would write."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from evidence.site_log import DEVICE, KEY, NODE, ORIGIN, SiteLog
from wayside.evidence.batch import encode_batch
from wayside.evidence.heads import Heads
from wayside.evidence.merkle import subset_proof
from wayside.receiver.account import SiteAccount, VerifiedPack
from wayside.receiver.keys import DeviceKeys

PINNED = {DEVICE: [NODE.public]}


def batch(
    log: SiteLog, first: int = 0, end: int | None = None, size: int | None = None, heads: Heads | None = None
) -> bytes:
    """The entries [first, end) under the log's checkpoint of `size` entries, perhaps with other heads."""
    size = log.size if size is None else size
    end = size if end is None else end
    proof = subset_proof(size, [(first, end)], log.perfect)
    return encode_batch(log.checkpoint_at(size, heads), first, log.items[first:end], proof)


def good(count: int = 6) -> SiteLog:
    """A key and that many packs by it."""
    log = SiteLog()
    log.add_key()
    log.add_packs(0, count)
    return log


def account_of(
    log: SiteLog,
    *ranges: Sequence[int],
    pins: Mapping[str, list[bytes]] | None = None,
    see: Callable[[VerifiedPack], None] | None = None,
) -> SiteAccount:
    """What a receiver makes of these parts (first, end, size) of the log, all of it when none is named."""
    return feed(SiteAccount(KEY, DeviceKeys(pins), see), log, *ranges)


def feed(account: SiteAccount, log: SiteLog, *ranges: Sequence[int]) -> SiteAccount:
    for each in ranges or [(0,)]:
        account.take(log.origin, batch(log, *each))
    return account


def lines(problems: Iterable[str], *wanted: str) -> None:
    """Each of `wanted` stands in one of the problems, and each problem holds one of them."""
    found = list(problems)
    assert len(found) == len(wanted) and all(
        any(text in each for each in found) for text in wanted
    ), f"{found} instead of {wanted}"


__all__ = ["DEVICE", "KEY", "NODE", "ORIGIN", "PINNED", "SiteLog", "account_of", "batch", "feed", "good", "lines"]
