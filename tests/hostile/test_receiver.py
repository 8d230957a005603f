"""What only a receiver sees, for it gets checkpoint after checkpoint."""

import pytest
from evidence.site_log import KEY, ORIGIN, STREAM
from receiver.evidence import batch, good
from wayside.evidence import batch as batches
from wayside.evidence.fraud_batches import prove_batch_fraud
from wayside.evidence.heads import Heads, StreamHead
from wayside.evidence.stream import KEYS
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.view import Verdict, verdict


def test_other_heads_of_a_size_that_was_compared_long_ago_are_compared_too(monkeypatch: pytest.MonkeyPatch):
    """The verifier of batches forgets its oldest checkpoints; what is known of the heads is known longer."""
    monkeypatch.setattr(batches, "_REMEMBERED", 2)
    log = good(8)
    account = SiteAccount(KEY, DeviceKeys())
    for size in range(2, log.size):
        account.take(ORIGIN, batch(log, 0 if size == 2 else size - 1, size, size))
    assert verdict(account) is Verdict.GOOD
    account.take(ORIGIN, batch(log, 0, 4, 4, Heads([log.heads().get(KEYS), StreamHead(STREAM, 2, 2)])))
    assert verdict(account) is Verdict.FRAUD
    for fraud in account.proofs():
        assert prove_batch_fraud(fraud, KEY)[1]


def test_two_lines_of_heads_of_one_size_that_is_still_to_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "_REMEMBERED", 2)
    log = good(8)
    account = SiteAccount(KEY, DeviceKeys())
    account.take(ORIGIN, batch(log, 0, 2, 9))
    for size in (3, 4, 5):
        account.take(ORIGIN, batch(log, size - 1, size, size))
    account.take(ORIGIN, batch(log, 0, 2, 9, Heads([log.heads().get(KEYS), StreamHead(STREAM, 2, 2)])))
    assert verdict(account) is Verdict.FRAUD and account.proofs()
