"""Proofs of possession on both interpreters: plain asserts, no pytest."""

import hashlib

from wayside_wire import WireError, cbor, cose, enrol, pack, statement

PUBLIC = bytes(range(32))
CHALLENGE = bytes(range(100, 116))


def sign(message):
    """Stands in for Ed25519: who knows the public key can check it."""
    return hashlib.sha256(PUBLIC + message).digest() * 2


def verify(public, message, signature):
    return signature == hashlib.sha256(public + message).digest() * 2


def proof(**changes):
    fields = {"challenge": CHALLENGE, "public": PUBLIC, "board": "UNIX", "firmware": "wayside-node 0.1.0", "class": 0}
    fields.update(changes)
    return enrol.make_proof(
        fields["challenge"], fields["public"], sign, fields["board"], fields["firmware"], fields["class"]
    )


def refused(raw, challenge=CHALLENGE):
    try:
        enrol.open_proof(raw, challenge, verify)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused")


def test_a_proof_comes_back_as_it_was():
    assert enrol.open_proof(proof(), CHALLENGE, verify) == (PUBLIC, "UNIX", "wayside-node 0.1.0", 0)
    assert enrol.open_proof(proof(challenge=bytes(32)), bytes(32), verify).assurance == 0


def test_a_proof_for_another_challenge_is_refused():
    assert "challenge" in refused(proof(), CHALLENGE[:-1] + b"x")
    assert "challenge" in refused(proof(), b"")


def test_a_proof_by_another_key_is_refused():
    assert "signature" in refused(proof(public=PUBLIC[:-1] + b"x"))


def test_any_flipped_bit_is_refused():
    raw = proof()
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert refused(bytes(changed))


def test_a_cut_proof_is_refused():
    raw = proof()
    for size in range(len(raw)):
        assert refused(raw[:size])
    assert refused(raw + b"\x00")


def test_fields_out_of_their_bounds_are_made_by_nobody_and_taken_by_nobody():
    for name, value in (
        ("challenge", bytes(15)),
        ("challenge", bytes(33)),
        ("public", bytes(31)),
        ("board", "\n"),
        ("firmware", "x" * 129),
        ("class", 5),
        ("class", -1),
        ("class", True),
    ):
        try:
            proof(**{name: value})
        except ValueError:
            pass
        else:
            raise AssertionError(name)
    good = [CHALLENGE, PUBLIC, "UNIX", "0.1", 0]
    kid = pack.key_id(PUBLIC)
    assert enrol.open_proof(statement.sign_statement(enrol.CONTENT_TYPE, kid, good, sign), CHALLENGE, verify)
    for place, value in ((0, "text"), (1, "x" * 32), (2, b"UNIX"), (3, 5), (4, True), (4, 5), (4, "0")):
        bad = list(good)
        bad[place] = value
        refused(statement.sign_statement(enrol.CONTENT_TYPE, kid, bad, sign))
    refused(statement.sign_statement(enrol.CONTENT_TYPE, kid, good[:-1], sign))
    refused(statement.sign_statement(enrol.CONTENT_TYPE, kid, good + [0], sign))
    refused(statement.sign_statement(enrol.CONTENT_TYPE, bytes(8), good, sign))


def test_neither_a_pack_nor_another_statement_passes_for_a_proof():
    reading = pack.Reading("voltage_l1", "V", 23168, -2, pack.GOOD, "", 1763676000123)
    readings = pack.Pack("meter-1", 1, 0, pack.SYNCED, pack.NO_PREVIOUS, (reading,))
    kid = pack.key_id(PUBLIC)
    assert refused(pack.sign_pack(readings, kid, sign))
    unmarked = cose.sign1({1: -8, 3: pack.SENML_CBOR, 4: kid}, b"", sign)
    assert "content type" in refused(unmarked)
    good = [CHALLENGE, PUBLIC, "UNIX", "0.1", 0]
    assert "content type" in refused(statement.sign_statement("application/wayside-command", kid, good, sign))
    try:
        pack.open_pack(proof(), lambda kid, message, signature: verify(PUBLIC, message, signature))
    except WireError as error:
        assert "content format" in str(error)
    else:
        raise AssertionError("a proof passed for a pack")


def test_headers_with_anything_else_are_refused():
    payload = cbor.encode({0: CHALLENGE, 1: PUBLIC, 2: "UNIX", 3: "0.1", 4: 0})
    good = {1: -8, 3: enrol.CONTENT_TYPE, 4: pack.key_id(PUBLIC)}
    assert enrol.open_proof(cose.sign1(good, payload, sign), CHALLENGE, verify)
    for label, value in ((1, -7), (3, 112), (4, bytes(7)), (5, b"nonce"), (2, [3])):
        header = dict(good)
        header[label] = value
        refused(cose.sign1(header, payload, sign))
    refused(cose.sign1(good, payload, sign, {4: pack.key_id(PUBLIC)}))
    refused(cose.sign1(good, payload, sign, {99: 1}))
