"""The registry: what may be enrolled, replaced and revoked, and what the site file and the log make of each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certificate, sign_certificate
from wayside.evidence.keyring import GATEWAY, LOG, NODE, Keyring
from wayside.trust.changes import bodies_for
from wayside.trust.keys import SoftwareKey
from wayside.trust.registry import (
    Doorkeeper,
    Holder,
    NewKey,
    RegistryError,
    align,
    carry_over,
    enrol_node,
    new_challenge,
    replace_node,
    revoke,
)
from wayside_wire import enrol

FIRST, SECOND, IDENTITY, LOG_KEY, ROOT = (SoftwareKey(bytes([number]) * 32) for number in range(1, 6))
SITE = "site.example"


class Books:
    """A keyring and the entries that made it."""

    def __init__(self) -> None:
        self.keyring = Keyring()
        self.entries: list[dict[int, object]] = []

    def add(self, bodies: list[dict[int, object]]) -> int:
        for body in bodies:
            self.keyring.take(len(self.entries), body)
            self.entries.append(body)
        return len(bodies)

    def enrol(self, key: SoftwareKey = FIRST, node: str = "node-1", **more: bytes) -> int:
        return self.add(enrol_node(self.keyring, node, ["meter-1"], NewKey(key.public, **more)))


def proof_by(key: SoftwareKey, challenge: bytes, assurance: int = 1) -> bytes:
    return enrol.make_proof(challenge, key.public, key.sign, "RP2040_METER", "1.0", assurance)


def test_a_node_is_enrolled_once_and_asking_again_changes_nothing():
    books = Books()
    assert books.enrol() == 1 and books.enrol() == 0
    key = books.keyring.held_by("node-1")
    assert (key.public, key.devices, key.assurance, key.since) == (FIRST.public, {"meter-1"}, 0, 0)


def test_a_proof_of_possession_brings_the_class_and_is_kept():
    books, challenge = Books(), new_challenge()
    books.enrol(challenge=challenge, proof=proof_by(FIRST, challenge))
    key = books.keyring.held_by("node-1")
    assert key.assurance == 1 and enrol.open_proof(key.proof, challenge, lambda *_: True).board == "RP2040_METER"


def test_a_proof_that_does_not_hold_enrols_nobody():
    challenge = new_challenge()
    assert challenge != new_challenge()
    right = proof_by(FIRST, challenge)
    for proof, answers in (
        (proof_by(FIRST, bytes(16)), challenge),  # of another day
        (proof_by(SECOND, challenge), challenge),  # of another key
        (right[:-1] + bytes([right[-1] ^ 1]), challenge),
        (b"nonsense", challenge),
    ):
        with pytest.raises(RegistryError, match="proof"):
            Books().enrol(challenge=answers, proof=proof)


def test_another_board_takes_a_nodes_place_only_when_that_is_said():
    books = Books()
    books.enrol()
    with pytest.raises(RegistryError, match="wayside keys replace"):
        books.enrol(SECOND)
    books.add(replace_node(books.keyring, "node-1", ["meter-1"], NewKey(SECOND.public), "lightning"))
    assert books.keyring.held_by("node-1").public == SECOND.public
    assert books.keyring.get(FIRST.kid).reason == "lightning"
    with pytest.raises(RegistryError, match="holds this key already"):
        replace_node(books.keyring, "node-1", ["meter-1"], NewKey(SECOND.public), "")
    with pytest.raises(RegistryError, match="wayside keys enrol"):
        replace_node(books.keyring, "node-2", ["meter-1"], NewKey(SECOND.public), "")


def test_a_revoked_key_never_comes_back():
    books = Books()
    books.enrol()
    books.add(revoke(books.keyring, "node-1", "lost"))
    assert books.keyring.held_by("node-1") is None
    with pytest.raises(RegistryError, match="let the board make a new key"):
        books.enrol()
    with pytest.raises(RegistryError, match="already"):
        revoke(books.keyring, FIRST.kid.hex(), "again")
    books.enrol(SECOND)  # what a re-provisioned board has
    assert books.keyring.held_by("node-1").public == SECOND.public


def test_a_key_belongs_to_one_node():
    books = Books()
    books.enrol()
    with pytest.raises(RegistryError, match="is that of node-1"):
        books.enrol(node="node-2")


def test_only_a_nodes_key_is_revoked_by_name_or_id():
    books = Books()
    books.add(align(books.keyring, [Holder(GATEWAY, IDENTITY.public)])[0])
    with pytest.raises(RegistryError, match="wayside keys rotate"):
        revoke(books.keyring, IDENTITY.kid.hex(), "stolen")
    with pytest.raises(RegistryError, match="neither who holds a key nor a key id"):
        revoke(books.keyring, "node-9", "stolen")


# --- the site file ---


def test_the_log_is_told_once_what_the_site_file_says():
    books = Books()
    holders = [
        Holder(LOG, LOG_KEY.public),
        Holder(GATEWAY, IDENTITY.public, ("meter-2",), profiles={"meter-2": "eastron-sdm630"}),
        Holder(NODE, FIRST.public, ("meter-1",), "node-1"),
    ]
    assert books.add(align(books.keyring, holders)[0]) == 3
    assert align(books.keyring, holders) == ([], [])
    more = [*holders[:2], Holder(NODE, FIRST.public, ("meter-1", "meter-3"), "node-1")]
    assert books.add(align(books.keyring, more)[0]) == 1
    assert books.keyring.held_by("node-1").devices == {"meter-1", "meter-3"}
    assert books.keyring.held_by("node-1").since == 2, "it is the same key"


def test_a_key_that_is_written_over_in_the_site_file_ends():
    books = Books()
    books.add(align(books.keyring, [Holder(NODE, FIRST.public, ("meter-1",), "node-1")])[0])
    books.add(align(books.keyring, [Holder(NODE, SECOND.public, ("meter-1",), "node-1")])[0])
    assert books.keyring.get(FIRST.kid).until == 1
    assert books.keyring.held_by("node-1").public == SECOND.public


def test_a_revoked_key_in_the_site_file_is_remarked_and_does_not_count():
    books = Books()
    in_file = Holder(NODE, FIRST.public, ("meter-1",), "node-1")
    books.add(align(books.keyring, [in_file])[0])
    books.add(revoke(books.keyring, "node-1", "lost"))
    bodies, (remark,) = align(books.keyring, [in_file])
    assert bodies == [] and "was revoked by entry 1; no key of it counts" in remark
    books.enrol(SECOND)
    bodies, (remark,) = align(books.keyring, [in_file])
    assert bodies == [] and f"its registered key {SECOND.kid.hex()} counts" in remark


def test_an_enrolled_node_keeps_its_class_when_its_devices_change():
    books, challenge = Books(), new_challenge()
    books.enrol(challenge=challenge, proof=proof_by(FIRST, challenge, 2))
    books.add(align(books.keyring, [Holder(NODE, None, ("meter-1", "meter-2"), "node-1")])[0])
    key = books.keyring.held_by("node-1")
    assert (key.assurance, key.devices) == (2, {"meter-1", "meter-2"}) and key.proof


def test_a_gateway_with_another_key_ends_the_one_before():
    books = Books()
    books.add(align(books.keyring, [Holder(GATEWAY, IDENTITY.public)])[0])
    books.add(align(books.keyring, [Holder(GATEWAY, SECOND.public)])[0])
    assert books.keyring.get(IDENTITY.kid).until == 1
    with pytest.raises(RegistryError, match=r"gateway key .* was revoked"):
        align(books.keyring, [Holder(GATEWAY, IDENTITY.public)])


@given(st.lists(st.tuples(st.sampled_from(["enrol", "replace", "revoke"]), st.integers(0, 3), st.integers(0, 1))))
def test_a_new_epoch_begins_with_the_same_registry(steps: list[tuple[str, int, int]]):
    keys = [SoftwareKey(bytes([9, number]) * 16) for number in range(4)]
    books = Books()
    for do, key, node in steps:
        request = {"do": do, "node": f"node-{node}", "public": keys[key].public.hex(), "key": f"node-{node}"}
        try:
            books.add(bodies_for(request, books.keyring, SITE, {"node-0": ["a"], "node-1": ["b"]}))
        except RegistryError:
            continue
        active = [each.holder for each in books.keyring if each.until is None]
        assert len(active) == len(set(active)), "one key for each node"
    later = Books()
    later.add(carry_over(books.keyring))

    def counting(keyring: Keyring) -> set[tuple[bytes, str, frozenset[str]]]:
        return {(each.public, each.holder, each.devices) for each in keyring if each.until is None}

    assert counting(later.keyring) == counting(books.keyring)
    for each in books.keyring:
        if each.until is not None:
            with pytest.raises(RegistryError):
                enrol_node(later.keyring, "node-0", ["a"], NewKey(each.public))


# --- requests, certificates, the door ---


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({}, "nothing that can be done"),
        ({"do": "enrol", "node": "node-9"}, "is not a node of the site file"),
        ({"do": "enrol", "node": 7}, "node: a text"),
        ({"do": "enrol", "node": "node-1", "public": "12"}, "public: 64 hexadecimal digits"),
        ({"do": "enrol", "node": "node-1", "public": ["x"]}, "public: hexadecimal digits"),
        ({"do": "revoke", "key": "node-1\x1b[2J"}, "printable"),
        ({"do": "certify", "certificates": "x"}, "a list"),
        ({"do": "certify", "certificates": ["00"], "root": ROOT.public.hex()}, "not a certificate by root"),
    ],
)
def test_a_request_out_of_form_is_refused_with_its_reason(request_: dict[str, object], why: str):
    with pytest.raises(RegistryError, match=why):
        bodies_for(request_, Keyring(), SITE, {"node-1": ["meter-1"]})


def test_certificates_are_taken_in_once_and_only_for_keys_of_the_site():
    books = Books()
    books.add(align(books.keyring, [Holder(LOG, LOG_KEY.public)])[0])

    def request(site: str, public: bytes) -> dict[str, object]:
        raw = sign_certificate(Certificate(site, LOG, public, 1), ROOT.public, ROOT.sign)
        return {"do": "certify", "root": ROOT.public.hex(), "certificates": [raw.hex()]}

    assert books.add(bodies_for(request(SITE, LOG_KEY.public), books.keyring, SITE, {})) == 1
    assert bodies_for(request(SITE, LOG_KEY.public), books.keyring, SITE, {}) == []
    for wrong in (request("other.example", LOG_KEY.public), request(SITE, FIRST.public)):
        with pytest.raises(RegistryError, match="wayside keys request"):
            bodies_for(wrong, books.keyring, SITE, {})


def test_the_door_is_shut_while_a_key_is_being_revoked():
    books = Books()
    books.enrol()
    door = Doorkeeper(books.keyring)
    door.admit(FIRST.kid, "node-1", "meter-1")
    door.ending.add(FIRST.kid)
    with pytest.raises(EvidenceError, match="being revoked"):
        door.admit(FIRST.kid, "node-1", "meter-1")
    with pytest.raises(EvidenceError, match="does not belong to node node-2"):
        door.admit(FIRST.kid, "node-2", "meter-1")
