"""The node's X25519 in the real VM: RFC 7748, agreement with an independent implementation, no secret that all know."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from native.calls import Ask

PUBLIC, SHARED = "x25519_public_key", "x25519_shared_secret"
P = 2**255 - 19

# RFC 7748 section 6.1
ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
BOB_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
TOGETHER = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
# section 5.2, the first
SCALAR = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
POINT = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
PRODUCT = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"

# u of the points whose order divides 8, on the curve and its twist.
SMALL = (
    0,
    1,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    P - 1,
)


def test_rfc_7748_vectors(ask: Ask):
    calls = [(PUBLIC, [ALICE]), (PUBLIC, [BOB]), (SHARED, [ALICE, BOB_PUBLIC]), (SHARED, [BOB, ALICE_PUBLIC])]
    assert ask(calls) == [ALICE_PUBLIC, BOB_PUBLIC, TOGETHER, TOGETHER]
    assert ask([(SHARED, [SCALAR, POINT])]) == [PRODUCT]


def test_agrees_with_an_independent_implementation(ask: Ask):
    """Any bytes are a secret and a public key, those above p and with the highest bit set among them."""
    source = random.Random(7748)
    calls: list[tuple[str, list[str]]] = []
    expected: list[str] = []
    publics = [source.randbytes(32) for _ in range(40)]
    publics += [(P + each).to_bytes(32, "little") for each in range(2, 19)]
    publics += [(9 | 1 << 255).to_bytes(32, "little"), b"\xff" * 32]
    for public in publics:
        secret = source.randbytes(32)
        key = X25519PrivateKey.from_private_bytes(secret)
        calls.append((PUBLIC, [secret.hex()]))
        expected.append(key.public_key().public_bytes_raw().hex())
        calls.append((SHARED, [secret.hex(), public.hex()]))
        expected.append(key.exchange(X25519PublicKey.from_public_bytes(public)).hex())
    assert ask(calls) == expected


def test_a_public_key_that_makes_every_secret_the_same_is_refused(ask: Ask):
    forms = [*SMALL, P, P + 1, *(u | 1 << 255 for u in SMALL)]  # the highest bit does not count
    for u in forms:
        public = u.to_bytes(32, "little")
        with pytest.raises(ValueError):
            X25519PrivateKey.from_private_bytes(bytes(range(32))).exchange(X25519PublicKey.from_public_bytes(public))
    calls = [(SHARED, [ALICE, u.to_bytes(32, "little").hex()]) for u in forms]
    assert set(ask(calls)) == {"ValueError: public key is of small order"}


def test_wrong_lengths_are_explained(ask: Ask):
    assert ask([(PUBLIC, ["00"]), (SHARED, [ALICE[2:], BOB_PUBLIC]), (SHARED, [ALICE, BOB_PUBLIC + "00"])]) == [
        "ValueError: secret is not 32 bytes",
        "ValueError: secret is not 32 bytes",
        "ValueError: public key is not 32 bytes",
    ]
