"""CBOR that is made to hurt, at every door where CBOR of strangers comes in: an error, little memory, no more."""

import tracemalloc
from collections.abc import Callable

import pytest
from evidence.site_log import KEY, NODE
from wayside.evidence import EvidenceError
from wayside.evidence.batch import BatchVerifier
from wayside.evidence.bundle import decode_bundle
from wayside.evidence.certificate import open_certificate
from wayside.evidence.entry import decode_entry
from wayside.evidence.fraud import decode_fraud
from wayside_wire import WireError, cbor, command, cose, enrol, link
from wayside_wire.pack import Pack, Reading, open_pack, sign_pack

MEGABYTE = 1 << 20

BOMBS = {
    "nothing": b"",
    "depth of arrays": b"\x81" * 100_000,
    "depth of maps": b"\xa1\x00" * 50_000,
    "depth of tags": b"\xd8\x40" * 50_000,
    "depth of decimal fractions": b"\xc4\x82" * 50_000,
    "length of an array": bytes.fromhex("9bffffffffffffffff"),
    "length of an array that would fit": bytes.fromhex("9a00ffffff"),
    "length of a map": bytes.fromhex("bbffffffffffffffff"),
    "length of a string": bytes.fromhex("5b7fffffffffffffff"),
    "length of a text": bytes.fromhex("7b7fffffffffffffff"),
    "lengths within lengths": bytes.fromhex("9a0000ffff") * 20_000,
    "duplicate keys": bytes.fromhex("a200010002"),
    "duplicate keys deep inside": bytes.fromhex("8281a2616101616102"),
    "keys out of order": bytes.fromhex("a201000000"),
    "indefinite array": bytes.fromhex("9f00ff"),
    "indefinite map": bytes.fromhex("bf0000ff"),
    "indefinite string": bytes.fromhex("5f4100ff"),
    "indefinite text": bytes.fromhex("7f6161ff"),
    "indefinite without end": b"\x9f" * 1000,
    "a break alone": b"\xff",
    "tag 28, a shared value": bytes.fromhex("d81c81d81d00"),
    "tag 29, a reference": bytes.fromhex("d81d00"),
    "tag 35, a regular expression": bytes.fromhex("d823782d") + b"(" * 40 + b"a+)+$",
    "tag 36, a MIME message": bytes.fromhex("d8246161"),
    "tag 256, a name space of strings": bytes.fromhex("d9010080"),
    "a bignum": bytes.fromhex("c249010000000000000000"),
    "a bignum of a kilobyte": b"\xc2\x59\x04\x00" + b"\xff" * 1024,
    "an exponent of 2**63": bytes.fromhex("c4821b7fffffffffffffff01"),
    "an exponent of -2**63": bytes.fromhex("c4823b7fffffffffffffff01"),
    "trailing bytes": bytes.fromhex("a000"),
    "NaN": bytes.fromhex("f97e00"),
    "infinity": bytes.fromhex("fb7ff0000000000000"),
    "a float": bytes.fromhex("fa3fc00000"),
    "undefined": b"\xf7",
    "a simple value": bytes.fromhex("f8ff"),
    "a number in a long head": bytes.fromhex("1800"),
    "a length in a long head": bytes.fromhex("580100"),
    "no UTF-8": bytes.fromhex("62c328"),
    "a surrogate": bytes.fromhex("63eda080"),
    "a reserved head": bytes.fromhex("1c"),
}

HEADER = {cose.ALG: cose.EDDSA, cose.KID: NODE.kid}


def signed(payload: bytes) -> bytes:
    """As somebody makes it who holds a key that counts."""
    return bytes(cose.sign1(HEADER, payload, NODE.sign))


def a_pack_around(payload: bytes) -> bytes:
    """A pack that is right but for its payload."""
    reading = Reading("voltage_l1", "V", 1, 0, 0, "", 1)
    header, _, _, _ = cbor.decode(sign_pack(Pack("m", 1, 0, 2, bytes(16), (reading,)), NODE.kid, NODE.sign)).value
    return bytes(cose.sign1(cbor.decode(header), payload, NODE.sign))


def accept(*_: object) -> bool:
    return True


DOORS: dict[str, Callable[[bytes], object]] = {
    "CBOR": cbor.decode,
    "COSE": lambda data: cose.open_sign1(data, accept),
    "COSE MAC": lambda data: cose.open_mac0(data, accept),
    "COSE, signed header": lambda data: cose.open_sign1(cbor.encode(cbor.Tag(18, [data, {}, b"", b""])), accept),
    "pack": lambda data: open_pack(data, accept),
    "pack, signed payload": lambda data: open_pack(a_pack_around(data), accept),
    "command": lambda data: command.open_command(data, accept),
    "command, signed payload": lambda data: command.open_command(signed(data), accept),
    "enrolment": lambda data: enrol.open_proof(data, bytes(16), accept),
    "certificate": lambda data: open_certificate(data, NODE.public),
    "link": link.decode,
    "entry": decode_entry,
    "batch": BatchVerifier(KEY).verify,
    "bundle": decode_bundle,
    "bundle, inside": lambda data: decode_bundle(b"\xa7\x00\x70wayside-bundle/2\x01" + data),
    "fraud proof": decode_fraud,
    "fraud proof, inside": lambda data: decode_fraud(b"\xa3\x00\x6fwayside-fraud/1\x01" + data),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_bomb_goes_off_at_any_door(door: str):
    for name, bomb in BOMBS.items():
        tracemalloc.start()
        try:
            # A bomb that is good CBOR may pass the doors that take any; no other error than these two may come out.
            DOORS[door](bomb)
            passed = True
        except (WireError, EvidenceError) as error:
            passed = False
            assert len(str(error)) < 500, "the reason does not repeat the bomb"
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert not passed or (door, name) in HARMLESS or (door == "CBOR" and name in VALUES), name
        assert peak < 2 * MEGABYTE, f"{name}: {peak} bytes"


HARMLESS = {("COSE, signed header", "nothing")}  # RFC 9052 section 3: no header at all
VALUES = {
    "tag 28, a shared value": cbor.Tag(28, [cbor.Tag(29, 0)]),
    "tag 29, a reference": cbor.Tag(29, 0),
    "tag 35, a regular expression": cbor.Tag(35, "(" * 40 + "a+)+$"),
    "tag 36, a MIME message": cbor.Tag(36, "a"),
    "tag 256, a name space of strings": cbor.Tag(256, []),
    "a bignum": cbor.Tag(2, (2**64).to_bytes(9, "big")),
    "a bignum of a kilobyte": cbor.Tag(2, b"\xff" * 1024),
    "an exponent of 2**63": cbor.Decimal(2**63 - 1, 1),
    "an exponent of -2**63": cbor.Decimal(-(2**63), 1),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_good_cbor_is_a_value_and_nothing_more(name: str):
    """Tags come out as tags: nothing is looked up, compiled, shared or computed for them. No door takes them."""
    value = cbor.decode(BOMBS[name])
    assert value == VALUES[name] and type(value) is type(VALUES[name])
    assert cbor.encode(value) == BOMBS[name]
