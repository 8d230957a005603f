"""MAC, frames and matrix of signal heads on both interpreters: plain asserts, no pytest."""

import binascii

from wayside_wire import WireError, cbor, cose, signal_frames, signal_matrix
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import AMBER, FLASH, GREEN, RED, Order, Permit, Shown, lamps_text, seal, unseal
from wayside_wire.signal_line import End

unhex = binascii.unhexlify
KEY = Hmac(bytes(range(32)))
NONCE = b"nonce..."
OTHER = b"another."
LAMPS = bytes([RED])
PLACE = signal_matrix.place("bench", 1)
MESSAGES = (
    Order(PLACE, OTHER, 7, NONCE, 0, bytes([RED, GREEN, AMBER, RED | AMBER, 0])),
    Permit(PLACE, OTHER, (1 << 48) - 1, NONCE, (1 << 48) - 1, signal_frames.WAIT, OTHER, 5),
    Shown(
        PLACE,
        OTHER,
        2,
        NONCE,
        1,
        signal_frames.FAULT,
        NONCE,
        "lamps: CONFLICT",
        OTHER,
        b"\x01",
        bytes([RED | FLASH]),
        b"\x00\x01",
    ),
)


def refused(function, *arguments):
    """The text of the WireError that the call raises."""
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


# --- MAC ---

# RFC 4231 sections 4.2 to 4.4, 4.5, 4.7 and 4.8: key, data, HMAC-SHA-256.
RFC_4231 = (
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
        b"hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)


def test_hmac_as_in_rfc_4231():
    for key, data, digest in RFC_4231:
        made = Hmac(key)
        assert made.digest(data) == unhex(digest)
        assert made.tag(data) == unhex(digest)[:8]
        assert made.fits(unhex(digest)[:8], data)


def test_a_tag_fits_whole_or_not_at_all():
    tag = KEY.tag(b"data")
    for wrong in (b"", tag[:7], tag + b"\x00", bytes([tag[0] ^ 1]) + tag[1:], tag[:7] + bytes([tag[7] ^ 128])):
        assert not KEY.fits(wrong, b"data")
    assert not KEY.fits(tag, b"other")
    assert not Hmac(bytes(32)).fits(tag, b"data")


# --- frames ---


def test_frames_round_trip():
    for message in MESSAGES:
        opened = unseal(seal(message, KEY), KEY)
        assert opened == message and type(opened) is type(message)


def test_every_flipped_bit_is_refused():
    raw = seal(MESSAGES[0], KEY)
    for bit in range(8 * len(raw)):
        spoilt = bytearray(raw)
        spoilt[bit // 8] ^= 1 << bit % 8
        refused(unseal, bytes(spoilt), KEY)


def test_another_key_length_or_end_is_refused():
    raw = seal(MESSAGES[1], KEY)
    refused(unseal, raw, Hmac(b"k" * 32))
    for end in range(len(raw)):
        refused(unseal, raw[:end], KEY)
    refused(unseal, raw + b"\x00", KEY)


def sealed(fields, protected=None, unprotected=None):
    headers = {cose.ALG: cose.HMAC_256_64, cose.CONTENT_TYPE: signal_frames.CONTENT_TYPE}
    return cose.mac0(headers if protected is None else protected, cbor.encode(fields), KEY.tag, unprotected)


def test_what_a_key_holder_says_is_checked_too():
    head = [PLACE, OTHER, 4, NONCE, 5]
    end = [1, OTHER, 9]
    assert unseal(sealed([1] + head + end), KEY) == Permit(PLACE, OTHER, 4, NONCE, 5, 1, OTHER, 9)
    for place, wrong in (
        (0, b"place.."), (0, None), (1, b"nonce.."), (1, "another."), (1, None), (2, -1), (2, True), (2, None),
        (3, NONCE[1:]), (3, "nonce..."), (4, -1), (4, 1 << 48), (4, True),
    ):  # fmt: skip
        assert refused(unseal, sealed([1] + head[:place] + [wrong] + head[place + 1 :] + end), KEY)
    for fields in (
        0, [], {}, [3] + head + end, [True] + head + end, ["order"], [1] + head + end[:2], [1] + head + end + [1],
        [1] + head + [4, OTHER, 9], [1] + head + [-1, OTHER, 9], [1] + head + [None, OTHER, 9],
        [1] + head + [1, OTHER, -1], [1] + head + [1, OTHER, None], [1] + head + [1, b"", 9], [1] + head + [1, 0, 9],
        [0] + head + [b""], [0] + head + [bytes(33)], [0] + head + [b"\x10"], [0] + head + ["R"], [0] + head + [[1]],
    ):  # fmt: skip
        assert refused(unseal, sealed(fields), KEY).startswith("signal: ")
    shown = [1, OTHER, "", NONCE, LAMPS, LAMPS, b""]
    assert unseal(sealed([2] + head + shown), KEY).lamps == LAMPS
    for place, wrong in (
        (0, 9), (0, 3), (1, b""), (1, None), (2, "r" * 97), (2, "\n"), (3, b""), (3, 5), (4, b""), (4, b"\x10"),
        (5, b"\x10"), (5, bytes(33)), (6, b"\x02"), (6, bytes(65)),
    ):  # fmt: skip
        assert refused(unseal, sealed([2] + head + shown[:place] + [wrong] + shown[place + 1 :]), KEY)
    good = [1] + head + end
    for protected in ({}, {1: 5, 3: signal_frames.CONTENT_TYPE}, {1: 4}, {1: 4, 3: "application/wayside-command"}):
        refused(unseal, sealed(good, protected), KEY)
    refused(unseal, sealed(good, None, {4: b"kid"}), KEY)
    refused(unseal, cose.sign1({1: -8}, cbor.encode(good), KEY.tag), KEY)


def test_lamps_for_people():
    lamps = bytes([0, RED, AMBER, GREEN, RED | AMBER, RED | FLASH, AMBER | FLASH, GREEN | RED])
    assert lamps_text(lamps) == "-RAGXra?"


# --- ends of a line ---


def ends():
    """Two ends that have met, and when."""
    node, master = End(KEY, PLACE, NONCE, Order), End(KEY, PLACE, OTHER, Shown)
    assert master.hear(10, picture(node, 0)) is None and master.waiting and not master.fresh
    assert node.hear(20, master.say(10, Order, LAMPS)) and node.fresh and node.heard_at == 1
    assert master.hear(40, picture(node, 30)) and master.fresh and master.heard_at == 10
    return node, master, 40


def picture(node, now_ms):
    return node.say(now_ms, Shown, signal_frames.FLASHING, NONCE, "", OTHER, LAMPS, LAMPS, b"")


def test_an_answer_counts_once_and_for_300_ms():
    for age_ms in (0, 300, 301):
        node, master, now = ends()
        master.hear(now, picture(node, now))
        order = master.say(now, Order, LAMPS)
        assert (node.hear(now + age_ms, order) is not None) == (age_ms <= 300)
        assert node.hear(now + age_ms, order) is None
        assert node.alive(now + age_ms) == (age_ms <= 300)


def test_one_that_says_it_answers_what_was_never_said_is_no_answer():
    node, _, now = ends()
    assert node.hear(now, seal(Order(PLACE, NONCE, now + 50, OTHER, now + 1, LAMPS), KEY)) is None
    assert node.hear(now, seal(Order(PLACE, OTHER, now, OTHER, now + 2, LAMPS), KEY)) is None


def test_a_spoilt_message_changes_nothing():
    node, master, now = ends()
    order = master.say(now, Order, LAMPS)
    for bit in range(8 * len(order)):
        spoilt = bytearray(order)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert node.hear(now, bytes(spoilt)) is None
    assert node.hear(now, order)


def test_numbers_grow_within_a_millisecond_too():
    node, master, now = ends()
    assert all([node.hear(now, master.say(now, Order, LAMPS)) for _ in range(5)])


def test_who_began_anew_is_heard_and_who_was_before_him_is_not():
    node, master, now = ends()
    old = master.say(now, Order, LAMPS)
    anew = End(KEY, PLACE, b"the next", Shown)
    anew.hear(now + 60, picture(node, now + 50))
    assert node.hear(now + 60, anew.say(now + 60, Order, LAMPS))
    assert node.hear(now + 70, old) is None
    assert node.hear(now + 80, anew.say(now + 80, Order, LAMPS))


# --- matrix ---

MATRIX = """wayside-signal-matrix/v2
junction High Street
version 3
channel 1 main vehicle 3000 1000 amber
channel 2 side vehicle 4000 0 red
channel 3 walk pedestrian dark
channel 4 - unused
compatible 1 3
clearance 1 2 4000
clearance 2 1 6000
clearance 2 3 5000
clearance 3 2 9000
"""


def test_matrix():
    matrix = signal_matrix.parse(MATRIX)
    assert (matrix.junction, matrix.version) == ("High Street", 3)
    assert [channel.name for channel in matrix.channels] == ["main", "side", "walk", "-"]
    assert [channel.kind for channel in matrix.channels] == ["vehicle", "vehicle", "pedestrian", "unused"]
    assert [channel.amber_ms for channel in matrix.channels] == [3000, 4000, 0, 0]
    assert [channel.red_amber_ms for channel in matrix.channels] == [1000, 0, 0, 0]
    assert matrix.clearance == {(0, 1): 4000, (1, 0): 6000, (1, 2): 5000, (2, 1): 9000}
    assert lamps_text(matrix.flash()) == "ar-R"


def test_a_matrix_with_a_mistake_is_refused_whole():
    for before, after, reason in (
        ("matrix/v2", "matrix/v1", "begins with"),
        ("version 3\n", "", "begins with"),
        ("version 3", "version 03", "line 3: 03 is not a plain number"),
        ("version 3", "version x", "not a plain number"),
        ("version 3", "version 1000000", "not a plain number"),
        ("junction High Street\n", "", "begins with"),
        ("junction High Street", "junction ", "begins with"),
        ("clearance 3 2 9000\n", "clearance 3 2 9000", "does not end"),
        ("clearance 3 2 9000\n", "", "channels 3 and 2: write both"),
        ("compatible 1 3\n", "", "channels 1 and 3: write both"),
        ("compatible 1 3\n", "compatible 1 3\ncompatible 1 2\n", "channels 1 and 2: write both"),
        ("clearance 1 2 4000", "clearance 1 2 2999", "is shorter than their yellow"),
        ("clearance 2 1 6000", "clearance 2 1 4999", "is shorter than their yellow"),
        ("clearance 1 2 4000", "clearance 1 2 4000\nclearance 1 2 5000", "line 10: is there twice"),
        ("clearance 1 2 4000", "clearance 1 2 04000", "line 9: 04000 is not a plain number"),
        ("clearance 1 2 4000", "clearance 1 2 -4000", "not a plain number"),
        ("clearance 1 2 4000", "clearance 1 2 4e3", "not a plain number"),
        ("clearance 1 2 4000", "clearance 1 2 60001", "is over 60000"),
        ("clearance 1 2 4000", "clearance 1 5 4000", "is over 4"),
        ("clearance 1 2 4000", "clearance 1 0 4000", "two different channels"),
        ("clearance 1 2 4000", "clearance 1 1 4000", "two different channels"),
        ("clearance 1 2 4000", "clearance 1 4 4000", "two different channels"),
        ("clearance 1 2 4000", "clearance 1  2 4000", "in its place"),
        ("compatible 1 3\n", "compatible 1 3\n\n", "in its place"),
        ("channel 4 - unused\ncompatible 1 3", "compatible 1 3\nchannel 4 - unused", "in its place"),
        ("channel 2", "channel 3", "line 5: write channel 2"),
        ("vehicle 3000", "vehicle 2999", "yellow of 2999 ms is under 3000"),
        ("vehicle 3000", "vehicle 6001", "yellow is 6000 ms at most"),
        ("1000 amber", "2001 amber", "red with yellow 2000"),
        ("4000 0 red", "4000 0 amber", "channels 1 and 2 conflict, and both flash amber"),
        ("clearance 3 2 9000", "clearance 3 2 2999", "clearance from 3, pedestrians, to 2 is under 3000 ms"),
        ("clearance 3 2 9000", "clearance 3 2 3000", None),
        ("1000 amber", "1000 blue", "FLASH is"),
        ("pedestrian dark", "pedestrian amber", "FLASH is"),
        ("pedestrian dark", "tram dark", "KIND is"),
        ("- unused", "- unused 5", "KIND is"),
        (" main ", " m\tn ", "write channel 1"),
        ("1000 amber", "1000 dark", None),
        ("4000 0 red", "4000 0 dark", None),
    ):
        changed = MATRIX.replace(before, after)
        assert changed != MATRIX
        if reason:
            assert reason in refused(signal_matrix.parse, changed), (after, reason)
        else:
            signal_matrix.parse(changed)
    both_dark = MATRIX.replace("1000 amber", "1000 dark").replace("4000 0 red", "4000 0 dark")
    assert "no channel flashes" in refused(signal_matrix.parse, both_dark)
    for text in ("", "\n", "x\n", "x" * 20000 + "\n", MATRIX[: MATRIX.index("channel")]):
        refused(signal_matrix.parse, text)


def test_no_matrix_that_was_replaced_is_taken_again():
    def matrix(version, clearance=4000):
        text = MATRIX.replace("version 3", "version %d" % version)
        return signal_matrix.parse(text.replace("4000\n", "%d\n" % clearance))

    kept = signal_matrix.newest("", matrix(3))
    assert signal_matrix.newest(kept, matrix(3)) == kept
    assert "version 2 is older than 3" in refused(signal_matrix.newest, kept, matrix(2))
    assert "another text of version 3" in refused(signal_matrix.newest, kept, matrix(3, 5000))
    newer = signal_matrix.newest(kept, matrix(4, 5000))
    assert newer.startswith("4 ")
    assert "is older" in refused(signal_matrix.newest, newer, matrix(3))
    for spoilt in ("?", "x y", "3", "-3 x", " ", "3 a b"):
        assert "cannot be read" in refused(signal_matrix.newest, spoilt, matrix(3)), spoilt


def test_another_junction_or_version_is_a_stranger():
    assert signal_matrix.parse(MATRIX).place == signal_matrix.place("High Street", 3)
    for name, version in (("bench", 2), ("bench2", 1)):
        node, master, now = ends()
        stranger = End(KEY, signal_matrix.place(name, version), OTHER, Shown)
        assert stranger.hear(now, picture(node, now)) is None and stranger.stranger and not stranger.waiting
        stranger._other = NONCE
        stranger._other_number = now
        assert node.hear(now, stranger.say(now, Order, LAMPS)) is None and node.stranger
        assert node.hear(now, master.say(now, Order, LAMPS)) and not node.stranger
