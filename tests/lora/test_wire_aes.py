"""AES-CCM on both interpreters: plain asserts, no pytest."""

import binascii

from wayside_wire import WireError, cbor
from wayside_wire.aes import Ccm

unhex = binascii.unhexlify


def refused(function, *arguments):
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


# RFC 3610 section 8, packet vectors 1 to 3 (8-byte tag), 7 and 13 (10-byte tag): key, nonce, aad, plain, sealed.
RFC_3610 = (
    (
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000003020100a0a1a2a3a4a5", "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
        "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
    ),
    (
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000004030201a0a1a2a3a4a5", "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916",
    ),
    (
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000005040302a0a1a2a3a4a5", "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5",
    ),
    (
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000009080706a0a1a2a3a4a5", "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
        "0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490",
    ),
    (
        "d7828d13b2b0bdc325a76236df93cc6b", "00412b4ea9cdbe3c9696766cfa", "0be1a88bace018b1",
        "08e8cf97d820ea258460e96ad9cf5289054d895ceac47c",
        "4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8e78cf7cb0cddd7b3",
    ),
)  # fmt: skip


def test_rfc_3610():
    for key, nonce, aad, plain, sealed in RFC_3610:
        size = (len(sealed) - len(plain)) // 2
        ccm = Ccm(unhex(key), size)
        assert ccm.seal(unhex(nonce), unhex(aad), unhex(plain)) == unhex(sealed), nonce
        assert ccm.open(unhex(nonce), unhex(aad), unhex(sealed)) == unhex(plain), nonce


def test_cose_encrypt0():
    # RFC 9052 appendix C.4.1: AES-CCM-16-64-128, protected {1: 10}, no external data.
    key = unhex("849b5786457c1491be3a76dcea6c4271")
    aad = cbor.encode(["Encrypt0", unhex("a1010a"), b""])
    sealed = unhex("5974e1b99a3a4cc09a659aa2e9e7fff161d38ce71cb45ce460ffb569")
    plain = b"This is the content."
    assert Ccm(key).open(unhex("89f52f65a1c580933b5261a78c"), aad, sealed) == plain
    assert Ccm(key).seal(unhex("89f52f65a1c580933b5261a78c"), aad, plain) == sealed


def test_every_flipped_bit_is_noticed():
    key, nonce, aad, _, sealed = [unhex(text) for text in RFC_3610[0]]
    ccm = Ccm(key)
    for which, data in enumerate((nonce, aad, sealed)):
        for bit in range(8 * len(data)):
            other = bytearray(data)
            other[bit >> 3] ^= 1 << (bit & 7)
            parts = [nonce, aad, sealed]
            parts[which] = bytes(other)
            refused(ccm.open, *parts)


def test_every_length():
    ccm = Ccm(bytes(range(16)), 4)
    for size in range(0, 49):
        for aad in (b"", b"a", bytes(14), bytes(15)):
            plain = bytes([(7 * i) & 255 for i in range(size)])
            sealed = ccm.seal(bytes(13), aad, plain)
            assert len(sealed) == size + 4
            assert ccm.open(bytes(13), aad, sealed) == plain
    for size in range(4):
        refused(ccm.open, bytes(13), b"", bytes(size))


def test_wrong_sizes():
    for call in (lambda: Ccm(bytes(15)), lambda: Ccm(bytes(16)).seal(bytes(12), b"", b"")):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError("not refused")
