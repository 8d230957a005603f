"""The keyring: a key id stands for one key. The rest of what it does is said by the tests of verifier and trust."""

import pytest
from evidence.site_log import DEVICE, NODE, THIEF
from wayside.evidence import EvidenceError, keyring
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import REGISTERED, REVOKED, Key


@pytest.mark.parametrize("event", [REGISTERED, REVOKED])
def test_two_keys_of_one_id_are_not_one_key(event: str, monkeypatch: pytest.MonkeyPatch):
    """An id has 8 bytes: who makes 2^32 keys finds two with the same, and would exchange one for the other."""
    monkeypatch.setattr(keyring, "key_id", lambda public: b"the same")
    ring = Keyring()
    ring.take(0, Key(NODE.public, "node", (DEVICE,), REGISTERED))
    with pytest.raises(EvidenceError, match="another key than the one that has this id"):
        ring.take(1, Key(THIEF.public, "node", (DEVICE,), event))
    known = ring.get(b"the same")
    assert known is not None and known.public == NODE.public and known.until is None
