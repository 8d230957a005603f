"""The node's Ed25519 in the real VM: RFC 8032 section 7.1, and the same answer as the gateway's on everything."""

import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from native import public_sets
from native.calls import Ask
from native.edge_cases import cases
from wayside.evidence.ed25519 import verifies

# (seed, public key, message, signature) of RFC 8032 section 7.1, TEST 1, 2, 3 and SHA(abc); TEST 1024 stands there too,
# but its message is checked against `cryptography` below, with many others.
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def test_rfc_8032_vectors(ask: Ask):
    for seed, public, message, signature in RFC8032:
        assert ask(
            [
                ("ed25519_public_key", [seed]),
                ("ed25519_sign", [seed, public, message]),
                ("ed25519_verify", [public, message, signature]),
            ]
        ) == [public, signature, True]


def test_agrees_with_an_independent_implementation(ask: Ask):
    source = random.Random(8032)
    calls: list[tuple[str, list[str]]] = []
    expected: list[Any] = []
    for length in [0, 1, 63, 64, 111, 112, 127, 128, 129, 1023, *(source.randrange(4096) for _ in range(40))]:
        seed, message = source.randbytes(32), source.randbytes(length)
        key = Ed25519PrivateKey.from_private_bytes(seed)
        public, signature = key.public_key().public_bytes_raw(), key.sign(message)
        calls.append(("ed25519_sign", [seed.hex(), public.hex(), message.hex()]))
        expected.append(signature.hex())
        calls.append(("ed25519_verify", [public.hex(), message.hex(), signature.hex()]))
        expected.append(True)
    assert ask(calls) == expected


def test_any_flipped_bit_is_refused(ask: Ask):
    _, public, message, signature = RFC8032[2]
    calls = []
    for place, text in enumerate((public, message, signature)):
        for bit in range(len(text) * 4):
            changed = [public, message, signature]
            changed[place] = f"{int(text, 16) ^ 1 << bit:0{len(text)}x}"
            calls.append(("ed25519_verify", changed))
    assert not any(ask(calls))


def verify_in_vm(ask: Ask, triples: list[tuple[bytes, bytes, bytes]]) -> list[Any]:
    """The VM's answers for (public key, message, signature)."""
    return ask([("ed25519_verify", [part.hex() for part in triple]) for triple in triples])


def test_edge_cases_are_answered_as_by_the_gateway(ask: Ask):
    """tests/evidence/test_ed25519.py has the same cases for the gateway and for the rule written down once more."""
    made = cases()
    triples = [(each.public, each.message, each.signature) for each in made]
    answers = verify_in_vm(ask, triples)
    assert [each for each, answer in zip(made, answers, strict=True) if answer is not each.holds] == []
    assert answers == [verifies(*triple) for triple in triples]


def test_mixtures_by_chance_are_answered_as_by_the_gateway(ask: Ask):
    """Real signatures with bytes exchanged between them, so that every part is right by itself."""
    source = random.Random(151)
    parts: list[tuple[bytes, bytes, bytes, bytes]] = []
    for _ in range(20):
        key = Ed25519PrivateKey.from_private_bytes(source.randbytes(32))
        message = source.randbytes(source.randrange(200))
        signature = key.sign(message)
        parts.append((key.public_key().public_bytes_raw(), message, signature[:32], signature[32:]))
    triples = [(public, message, r + s) for public, message, r, s in parts]
    for _ in range(300):
        public, message, r, s = (source.choice(parts)[place] for place in range(4))
        triples.append((public, message, r + s))
    answers = verify_in_vm(ask, triples)
    assert answers == [verifies(*triple) for triple in triples]
    assert answers[:20] == [True] * 20


def test_public_sets_are_answered_as_by_the_gateway(ask: Ask, vectors: Path):
    found = public_sets.read(vectors / "ed25519")
    if not found:
        pytest.skip("no set of Ed25519 test cases in ../shared/vectors/ed25519")
    triples = [(each.public, each.message, each.signature) for each in found]
    answers = verify_in_vm(ask, triples)
    assert answers == [verifies(*triple) for triple in triples]
    said = [(each, answer) for each, answer in zip(found, answers, strict=True) if each.holds is not None]
    assert [each for each, answer in said if answer is not each.holds] == []


def test_wrong_lengths_are_explained(ask: Ask):
    seed, public, message, _ = RFC8032[0]
    assert ask(
        [
            ("ed25519_public_key", [seed[:-2]]),
            ("ed25519_sign", [seed + "00", public, message]),
            ("ed25519_sign", [seed, public[2:], message]),
        ]
    ) == [
        "ValueError: seed is not 32 bytes",
        "ValueError: seed is not 32 bytes",
        "ValueError: public key is not 32 bytes",
    ]
