"""A session: both ends come to the same keys, nobody else does, and a sealed message counts once, here and now."""

import binascii
import json

import wayside_native
from fakes import GATEWAY, NODE, STRANGER, gateway_end, node_end
from wayside_wire import WireError, cbor, link
from wayside_wire.pack import key_id
from wayside_wire.session import CONFIRM_TYPE, WELCOME_TYPE, GatewayEnd, NodeEnd, NodeIdentity
from wayside_wire.statement import sign_statement

unhex = binascii.unhexlify
VECTORS = __file__.rpartition("/")[0] + "/../wire/vectors.json"


def refused(function, *arguments):
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


def agreed(node=None, gateway=None):
    """(session of the node, the gateway's end) after a handshake."""
    node, gateway = node or node_end(), gateway or gateway_end()
    confirm, session = node.answer(gateway.welcome(node.hello()))
    assert gateway.confirm(confirm, NODE.public) == NodeIdentity(1, "TEST", "wayside-node")
    return session, gateway


def sealed(session, message=None):
    return link.decode(session.seal(message or link.AskTime()))


def test_what_one_end_seals_the_other_opens():
    node, gateway = agreed()
    for number in range(1, 4):
        for message in (link.Ack("meter-1", 1, number, bytes(16)), link.TimeMessage(1000, 2, number)):
            assert node.open(sealed(gateway.session, message)) == message
        assert gateway.open(sealed(node, link.PackMessage(1, number, b"raw"))) == link.PackMessage(1, number, b"raw")
    assert gateway.session.id == node.id and (node.sent, node.heard) == (3, 6)


def test_a_sealed_message_has_one_encoding():
    for number in (1, 23, 24, 256, 1 << 16, 1 << 32, (1 << 64) - 1):
        for size in (0, 23, 24, 255, 256, 900):
            made = link.Sealed(b"12345678", number, bytes(size), b"abcdefgh")
            assert link.encode_sealed(*made) == link.encode(made)


def test_the_documented_session():
    """docs/wire-format.md: every byte of it, with fixed secrets."""
    with open(VECTORS) as file:
        found = json.load(file)
    seeds = [unhex(found[name]) for name in ("node_seed", "gateway_seed")]
    publics = [wayside_native.ed25519_public_key(seed) for seed in seeds]
    signs = [
        lambda message, seed=seed, public=public: wayside_native.ed25519_sign(seed, public, message)
        for seed, public in zip(seeds, publics)
    ]
    secrets = [lambda size, name=name: unhex(found[name]) for name in ("node_secret", "gateway_secret")]
    about = NodeIdentity(3, "RP2040_METER", "0.1.0")
    node = NodeEnd(publics[0], signs[0], publics[1], wayside_native, secrets[0], about)
    gateway = GatewayEnd(publics[1], signs[1], wayside_native, secrets[1])
    hello = node.hello()
    assert link.encode(hello) == unhex(found["hello"])
    welcome = gateway.welcome(hello)
    assert link.encode(welcome) == unhex(found["welcome"])
    confirm, session = node.answer(welcome)
    assert link.encode(confirm) == unhex(found["confirm"])
    assert gateway.confirm(confirm, publics[0]) == about
    assert session.id == unhex(found["session"])
    assert gateway.session.seal(link.decode(unhex(found["time"]))) == unhex(found["sealed_time"])
    assert session.seal(link.decode(unhex(found["pack_message"]))) == unhex(found["sealed_pack_message"])


def test_a_sealed_message_counts_once_and_never_after_a_later_one():
    node, gateway = agreed()
    first, second, third = [sealed(gateway.session) for _ in range(3)]
    assert node.open(first) == link.AskTime()
    refused(node.open, first)
    assert node.open(third) == link.AskTime()
    refused(node.open, second)
    refused(node.open, third)
    assert node.open(sealed(gateway.session)) == link.AskTime()


def test_nothing_of_a_sealed_message_can_be_changed():
    node, gateway = agreed()
    good = sealed(gateway.session, link.Ack("meter-1", 1, 7, bytes(16)))
    other = sealed(gateway.session, link.Ack("meter-1", 1, 8, bytes(16)))
    for place, wrong in enumerate((bytes(8), good.number + 1, other.message, other.tag)):
        fields = list(good)
        fields[place] = wrong
        refused(node.open, link.Sealed(*fields))
    for at in range(8):
        tag = bytearray(good.tag)
        tag[at] ^= 1
        refused(node.open, link.Sealed(good.session, good.number, good.message, bytes(tag)))
    refused(node.open, link.Sealed(good.session, good.number, good.message, good.tag[:7]))
    assert node.open(good).sequence == 7, "and what was refused has cost nothing"


def test_nothing_goes_back_to_who_said_it_nor_into_another_session():
    node, gateway = agreed()
    own = sealed(node)
    refused(node.open, own)
    refused(gateway.open, sealed(gateway.session))
    other_node, other = agreed()
    refused(other_node.open, sealed(gateway.session))
    refused(other.open, own)
    assert gateway.open(own) == link.AskTime()


def test_the_messages_of_a_handshake_are_never_inside_of_a_seal():
    node, gateway = agreed()
    for inner in (link.Hello(link.VERSION, bytes(8), bytes(32)), link.Welcome(b""), link.Confirm(b""), sealed(node)):
        assert "none" in refused(node.open, sealed(gateway.session, inner))


def test_a_welcome_counts_for_the_hello_that_it_answers_and_once():
    node, gateway = node_end(), gateway_end()
    old = gateway.welcome(node.hello())
    assert node.is_asked(old)
    node.answer(old)
    assert not node.is_asked(old)
    refused(node.answer, old)  # there is no hello to answer
    node.hello()
    assert not node.is_asked(old)
    refused(node.answer, old)  # to an older hello
    new = gateway.welcome(node.hello())
    refused(node.answer, gateway_end(STRANGER).welcome(node.hello()))
    refused(node.answer, gateway.welcome(node_end().hello()))  # to another node of the same key
    node.answer(new)


def test_who_has_not_the_gateways_key_cannot_welcome():
    node, gateway = node_end(), gateway_end()
    hello = node.hello()
    good = gateway.welcome(hello)
    share = wayside_native.x25519_public_key(b"\x07" * 32)
    fields = (link.VERSION, hello.kid, hello.share, share)
    forged = (
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), fields, STRANGER.sign),
        sign_statement(WELCOME_TYPE, key_id(STRANGER.public), fields, STRANGER.sign),
        # What the gateway has signed for another version, node, share or purpose.
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), (1,) + fields[1:], GATEWAY.sign),
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), (2, bytes(8)) + fields[2:], GATEWAY.sign),
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), fields[:2] + (share, share), GATEWAY.sign),
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), fields[:3] + (share[:31],), GATEWAY.sign),
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), fields[:3], GATEWAY.sign),
        sign_statement(CONFIRM_TYPE, key_id(GATEWAY.public), fields, GATEWAY.sign),
        # Of small order: everybody would know the keys.
        sign_statement(WELCOME_TYPE, key_id(GATEWAY.public), fields[:3] + (bytes(32),), GATEWAY.sign),
        b"",
        good.raw[:-1],
        good.raw + b"\x00",
    )
    for raw in forged:
        refused(node.answer, link.Welcome(raw))
    for at in range(0, len(good.raw), 5):
        changed = bytearray(good.raw)
        changed[at] ^= 1
        refused(node.answer, link.Welcome(bytes(changed)))
    node.answer(good)  # and what was refused has cost nothing


def test_who_has_not_the_nodes_key_cannot_confirm():
    node, gateway = node_end(), gateway_end()
    confirm, _ = node.answer(gateway.welcome(node.hello()))
    kind, (_, _, _, share, boot, board, firmware) = CONFIRM_TYPE, fields_of(confirm.raw)
    mine = wayside_native.x25519_public_key(b"\x07" * 32)
    fields = (link.VERSION, key_id(GATEWAY.public), mine, share, boot, board, firmware)
    forged = (
        sign_statement(kind, key_id(NODE.public), fields, STRANGER.sign),
        sign_statement(kind, key_id(STRANGER.public), fields, STRANGER.sign),
        sign_statement(kind, key_id(NODE.public), (1,) + fields[1:], NODE.sign),
        sign_statement(kind, key_id(NODE.public), (2, key_id(STRANGER.public)) + fields[2:], NODE.sign),
        sign_statement(kind, key_id(NODE.public), fields[:3] + (mine,) + fields[4:], NODE.sign),
        sign_statement(kind, key_id(NODE.public), fields[:2] + (bytes(32),) + fields[3:], NODE.sign),
        sign_statement(kind, key_id(NODE.public), fields[:4] + (-1, board, firmware), NODE.sign),
        sign_statement(kind, key_id(NODE.public), fields[:4] + (boot, "\n", firmware), NODE.sign),
        sign_statement(WELCOME_TYPE, key_id(NODE.public), fields, NODE.sign),
        b"",
    )
    for raw in forged:
        refused(gateway.confirm, link.Confirm(raw), NODE.public)
        assert gateway.session is None
    refused(gateway.confirm, confirm, STRANGER.public)
    assert gateway.confirm(confirm, NODE.public).boot == boot


def fields_of(raw):
    return list(cbor.decode(cbor.decode(raw).value[2]).values())


def test_an_old_handshake_played_again_changes_nothing():
    node, gateway = node_end(), gateway_end()
    old = []
    for _ in range(3):
        hello = node.hello()
        welcome = gateway.welcome(hello)
        confirm, session = node.answer(welcome)
        gateway.confirm(confirm, NODE.public)
        old.append((hello, confirm))
    standing = gateway.session
    for hello, confirm in old[:-1]:
        gateway.welcome(hello)
        refused(gateway.confirm, confirm, NODE.public)
    assert gateway.confirm(old[-1][1], NODE.public) is None, "a repetition of the last"
    assert gateway.session is standing and gateway.open(sealed(session)) == link.AskTime()


def test_the_session_before_counts_until_the_node_knows_of_the_new_one():
    node = node_end()
    before, gateway = agreed(node)
    after, _ = agreed(node, gateway)
    assert gateway.open(sealed(before)) == link.AskTime() and gateway.knows(before.id)
    assert gateway.open(sealed(after)) == link.AskTime() and not gateway.knows(before.id)
    refused(gateway.open, sealed(before))
    gateway.forget()
    refused(gateway.open, sealed(after))
    assert not gateway.knows(after.id)


def test_a_hello_asks_with_one_share_until_it_is_answered_and_never_again():
    node, gateway = node_end(), gateway_end()
    shares = set()
    for _ in range(3):
        hello = node.hello()
        assert node.hello() == hello
        shares.add(hello.share)
        node.answer(gateway.welcome(hello))
    assert len(shares) == 3
