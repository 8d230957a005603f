"""The keyring: a key id stands for one key. The rest of what it does is said by the tests of verifier and trust."""

from time import process_time

import pytest
from evidence.site_log import DEVICE, NODE, THIEF
from wayside.evidence import EvidenceError, keyring
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import REGISTERED, REVOKED, KeyBody


@pytest.mark.parametrize("event", [REGISTERED, REVOKED])
def test_two_keys_of_one_id_are_not_one_key(event: str, monkeypatch: pytest.MonkeyPatch):
    """An id has 8 bytes: who makes 2^32 keys finds two with the same, and would exchange one for the other."""
    monkeypatch.setattr(keyring, "key_id", lambda public: b"the same")
    ring = Keyring()
    ring.take(0, KeyBody(NODE.public, "node", (DEVICE,), REGISTERED))
    with pytest.raises(EvidenceError, match="another key than the one that has this id"):
        ring.take(1, KeyBody(THIEF.public, "node", (DEVICE,), event))
    known = ring.get(b"the same")
    assert known is not None and known.public == NODE.public and known.until is None


def test_a_key_that_is_registered_ever_again_costs_no_more_each_time():
    """The answer at each position is that of the entries before it, in whatever order they were fed."""
    ring, count = Keyring(), 20_000
    began = process_time()
    for index in range(count):
        ring.take(2 * index, KeyBody(NODE.public, "node", (f"m-{index}",), "registered"))
        found = ring.get(NODE.kid, 2 * index + 1)
        assert found is not None and found.devices == {f"m-{index}"}
    assert process_time() - began < 5  # seconds; it took minutes when each entry was held against all before it
    found = ring.get(NODE.kid, count)
    assert found is not None and found.devices == {f"m-{count // 2 - 1}"} and found.since == 0
