"""The registry: what may be enrolled, replaced and revoked, and what the site file and the log make of each other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certificate, sign_certificate
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import GATEWAY, LOG, NODE, OPERATOR, KeyBody
from wayside.trust import owner
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
    rotation,
)
from wayside_wire import enrol

FIRST, SECOND, IDENTITY, LOG_KEY, ROOT = (SoftwareKey(bytes([number]) * 32) for number in range(1, 6))
SITE = "site.example"


class Books:
    """A keyring and the entries that made it."""

    def __init__(self) -> None:
        self.keyring = Keyring()
        self.entries: list[KeyBody] = []

    def add(self, bodies: list[KeyBody]) -> int:
        for body in bodies:
            assert KeyBody.decode(body.encode()) == body, "what is written can be read again"
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


def test_a_key_that_was_enrolled_by_eye_may_be_proven_afterwards():
    books, challenge = Books(), new_challenge()
    books.enrol()
    proof = proof_by(FIRST, challenge)
    assert books.enrol(challenge=challenge, proof=proof) == 1
    assert books.keyring.held_by("node-1").proof == proof
    assert books.enrol(challenge=challenge, proof=proof) == 0


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


# --- requests and certificates ---


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
        ({"do": "certify", "certificates": ["00"], "signer": ROOT.public.hex()}, "not a certificate by key"),
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
        return {"do": "certify", "signer": ROOT.public.hex(), "certificates": [raw.hex()]}

    assert books.add(bodies_for(request(SITE, LOG_KEY.public), books.keyring, SITE, {})) == 1
    assert bodies_for(request(SITE, LOG_KEY.public), books.keyring, SITE, {}) == []
    for wrong in (request("other.example", LOG_KEY.public), request(SITE, FIRST.public)):
        with pytest.raises(RegistryError, match="wayside keys request"):
            bodies_for(wrong, books.keyring, SITE, {})


def certificate(role: str, key: SoftwareKey, signer: SoftwareKey, site: str = SITE) -> bytes:
    assurance = 1 if role == "node" else None
    return sign_certificate(Certificate(site, role, key.public, 1, None, assurance), signer.public, signer.sign)


def by_registrar(registrar: bytes, *certificates: bytes, signer: SoftwareKey = SECOND) -> dict[str, object]:
    fields = {"do": "certify", "signer": signer.public.hex(), "certificates": [each.hex() for each in certificates]}
    return fields | {"root": ROOT.public.hex(), "registrar": registrar.hex()}


def test_a_registrars_certificates_go_into_the_log_with_his_own_and_for_nodes_only():
    books = Books()
    books.add(align(books.keyring, [Holder(LOG, LOG_KEY.public)])[0])
    books.enrol()
    own, of_node = certificate("registrar", SECOND, ROOT), certificate("node", FIRST, SECOND)
    assert books.add(bodies_for(by_registrar(own, of_node), books.keyring, SITE, {})) == 1
    assert set(books.keyring.get(FIRST.kid).certificates) == {own, of_node}
    assert bodies_for(by_registrar(own, of_node), books.keyring, SITE, {}) == []
    for registrar, raw, why in (
        (own, certificate("log", LOG_KEY, SECOND), "a registrar certifies nodes"),
        (certificate("registrar", SECOND, ROOT, "other.example"), of_node, "other.example"),
        (certificate("registrar", IDENTITY, ROOT), of_node, "not for who certified"),
        (certificate("log", SECOND, ROOT), of_node, "is for log key"),
        (certificate("registrar", SECOND, SECOND), of_node, "not a certificate by key"),
        (own, certificate("node", FIRST, ROOT), "not a certificate by key"),
    ):
        with pytest.raises(RegistryError, match=why):
            bodies_for(by_registrar(registrar, raw), books.keyring, SITE, {})


def test_the_file_that_is_for_the_registrar_is_not_installed():
    with pytest.raises(RegistryError, match="--registrar-certificate"):
        raw = certificate("registrar", SECOND, ROOT)
        request = {"do": "certify", "signer": ROOT.public.hex(), "certificates": [raw.hex()]}
        bodies_for(request, Keyring(), SITE, {})


def test_a_renewed_certificate_is_kept_however_many_came_before():
    books = Books()
    books.enrol()
    for issued in range(40):
        content = Certificate(SITE, NODE, FIRST.public, issued, issued + 10, 1)
        raw = sign_certificate(content, ROOT.public, ROOT.sign)
        request = {"do": "certify", "signer": ROOT.public.hex(), "certificates": [raw.hex()]}
        assert books.add(bodies_for(request, books.keyring, SITE, {})) == 1
        assert books.keyring.get(FIRST.kid).certificates[-1] == raw
    assert len(books.keyring.get(FIRST.kid).certificates) == 16


# --- one key, one holder, one role ---


def test_a_key_is_written_for_one_holder_in_one_role():
    """Each of these would be an entry that no reader of the log can take, for ever."""
    books = Books()
    books.add(align(books.keyring, [Holder(LOG, LOG_KEY.public), Holder(GATEWAY, IDENTITY.public)])[0])
    books.enrol()
    books.add(bodies_for({"do": "operator", "name": "ann", "public": SECOND.public.hex()}, books.keyring, SITE, {}))
    node_1, node_2 = Holder(NODE, None, ("meter-1",), "node-1"), Holder(NODE, FIRST.public, ("m",), "node-2")
    for holders, why in (
        ([Holder(GATEWAY, LOG_KEY.public)], "cannot have key"),
        ([Holder(NODE, IDENTITY.public, ("m",), "node-2")], "it is that of the gateway"),
        ([Holder(NODE, SECOND.public, ("m",), "ann")], "it is that of operator ann"),
        ([node_1, node_2], "it is that of node node-1"),
        ([Holder(NODE, ROOT.public, (), "a"), Holder(NODE, ROOT.public, (), "b")], "have the same key"),
    ):
        with pytest.raises(RegistryError, match=why):
            align(books.keyring, holders)
    for request in (
        {"do": "enrol", "node": "node-2", "public": SECOND.public.hex()},
        {"do": "enrol", "node": "ann", "public": SECOND.public.hex()},
        {"do": "enrol", "node": "node-2", "public": LOG_KEY.public.hex()},
        {"do": "operator", "name": "bob", "public": FIRST.public.hex()},
        {"do": "operator", "name": "bob", "public": LOG_KEY.public.hex()},
    ):
        with pytest.raises(RegistryError, match="is that of"):
            bodies_for(request, books.keyring, SITE, {"node-2": ["m"], "ann": ["m"]})
    assert books.add(align(books.keyring, [node_2])[0]) == 1, "a node that was given another name keeps its key"
    assert books.keyring.held_by("node-2").public == FIRST.public
    assert OPERATOR in {each.role for each in books.keyring}


FIVE = [SoftwareKey(bytes([8, number]) * 16) for number in range(5)]
NAMES = st.sampled_from(["a", "b", "c"])
PUBLICS = st.sampled_from(FIVE).map(lambda key: key.public)
ASKED = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["enrol", "replace", "operator", "revoke"]),
        "node": NAMES,
        "name": NAMES,
        "key": NAMES,
        "public": PUBLICS.map(bytes.hex),
    }
)
IN_FILE = st.tuples(
    PUBLICS, PUBLICS, st.lists(st.tuples(NAMES, st.none() | PUBLICS), max_size=3, unique_by=lambda each: each[0])
)


@given(st.lists(ASKED | IN_FILE, max_size=12))
def test_whatever_is_asked_the_log_says_what_its_readers_can_take(steps: list[object]):
    """Each entry can be read again in its order, here and in the next epoch, and one key has one holder in one role."""
    books = Books()
    for step in steps:
        try:
            if isinstance(step, dict):
                bodies = bodies_for(step, books.keyring, SITE, {name: [f"of-{name}"] for name in "abc"})
            else:
                log_key, identity, nodes = step
                holders = [Holder(LOG, log_key), Holder(GATEWAY, identity, ("polled",))]
                holders += [Holder(NODE, key, (f"of-{name}",), name) for name, key in nodes]
                bodies, _ = align(books.keyring, holders)
        except RegistryError:
            continue
        books.add(bodies)  # Keyring.take refuses what no reader could take
        active = [(each.role, each.holder) for each in books.keyring if each.until is None]
        assert len(active) == len(set(active)), "one key for each holder and role"
    later = Books()
    later.add(carry_over(books.keyring))

    def said(keyring: Keyring) -> set[tuple[bytes, str, str, bool]]:
        return {(each.public, each.role, each.holder, each.until is None) for each in keyring}

    assert said(later.keyring) == said(books.keyring)


LOW_ORDER = [  # by which anybody can sign: orders 1, 2, 4 and 8; and y in no canonical form
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("public", LOW_ORDER)
def test_a_key_by_which_anybody_can_sign_enters_nowhere(public: str):
    for request in (
        {"do": "enrol", "node": "node-1", "public": public},
        {"do": "operator", "name": "ann", "public": public},
    ):
        with pytest.raises(RegistryError, match="the public key is"):
            bodies_for(request, Keyring(), SITE, {"node-1": ["meter-1"]})
    with pytest.raises(RegistryError, match="the public key is"):
        align(Keyring(), [Holder(NODE, bytes.fromhex(public), ("meter-1",), "node-1")])
    with pytest.raises(owner.OwnerFileError, match="registrar's key"):
        owner.certify_registrar(SITE, bytes.fromhex(public), ROOT, owner.CertificateTerm.of_days(1, 1))
    fields = {"role": "node", "node": "n", "public": public, "proof": ""}
    request = json.dumps({"format": owner.REQUEST, "site": SITE, "keys": [fields]}).encode()
    with pytest.raises(owner.OwnerFileError, match="not a request"):
        owner.read_request(request)


# --- another key of the log ---


def test_the_last_words_of_a_log_key_are_its_successor_and_its_own_end():
    books = Books()
    books.add(align(books.keyring, [Holder(LOG, LOG_KEY.public)])[0])
    books.enrol()
    bridge = [certificate("log", SECOND, LOG_KEY), certificate("log", SECOND, SECOND)]
    registered, revoked = rotation(books.keyring, LOG_KEY.public, SECOND.public, bridge)
    books.add([registered, revoked])
    assert (revoked.public, revoked.event) == (LOG_KEY.public, "revoked")
    later = Books()
    later.add(carry_over(books.keyring))
    assert later.keyring.get(LOG_KEY.kid).until is not None and later.keyring.get(SECOND.kid).until is None
    assert set(later.keyring.get(SECOND.kid).certificates) == set(bridge)
    assert align(later.keyring, [Holder(LOG, SECOND.public), Holder(NODE, None, ("meter-1",), "node-1")]) == ([], [])
    for key in (LOG_KEY, IDENTITY):
        with pytest.raises(RegistryError, match="none that counts"):
            rotation(later.keyring, key.public, ROOT.public, bridge)


def test_a_key_that_was_revoked_in_one_epoch_signs_in_none_after_it():
    books = Books()
    holders = [Holder(LOG, LOG_KEY.public), Holder(GATEWAY, IDENTITY.public, ("meter-2",))]
    books.add(align(books.keyring, holders)[0])
    books.enrol()
    books.add(bodies_for({"do": "operator", "name": "ann", "public": ROOT.public.hex()}, books.keyring, SITE, {}))
    books.add(revoke(books.keyring, "node-1", "lost"))
    books.add(revoke(books.keyring, "ann", "left"))
    books.add(align(books.keyring, [Holder(GATEWAY, SECOND.public, ("meter-2",))])[0])
    keyring = books.keyring
    for _ in range(3):  # epochs
        later = Books()
        later.add(carry_over(keyring))
        keyring = later.keyring
        for key, device, attested in ((FIRST, "meter-1", "device"), (IDENTITY, "meter-2", "gateway")):
            with pytest.raises(EvidenceError, match="was revoked"):
                keyring.check(key.kid, device, attested)
        assert keyring.held_by("ann", OPERATOR) is None
        assert keyring.check(SECOND.kid, "meter-2", "gateway").public == SECOND.public


# --- the door ---


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
