"""The wire formats on both interpreters: plain asserts, no pytest. Examples: tests/wire/vectors.json."""

import binascii
import json

from wayside_wire import WireError, aggregate, cbor, cose, frame, link, number, pack

unhex = binascii.unhexlify
FOLDER = __file__.rpartition("/")[0] or "."


def vectors():
    with open(FOLDER + "/vectors.json") as file:
        return json.load(file)


def refused(function, *arguments):
    """The text of the WireError that the call raises."""
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


# --- CBOR ---

# RFC 8949 appendix A, as far as it lies in the subset.
APPENDIX_A = [
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    (cbor.Tag(23, b"\x01\x02\x03\x04"), "d74401020304"),
    (cbor.Decimal(-2, 27315), "c48221196ab3"),
]


def test_cbor_appendix_a():
    for value, text in APPENDIX_A:
        assert cbor.encode(value) == unhex(text), text
        assert cbor.decode(unhex(text)) == value, text


def test_cbor_refuses_what_it_would_not_write():
    for text in (
        "",  # nothing
        "0000",  # a second item
        "1817",  # 23 in two bytes
        "190017",
        "1a000003e8",
        "1b00000000000f4240",
        "5800",  # a length that is not the shortest
        "7801",
        "9801",
        "1c",  # reserved
        "1f",
        "5f42010243030405ff",  # indefinite lengths
        "7f657374726561646d696e67ff",
        "9fff",
        "bf61610161629f0203ffff",
        "f90000",  # floats
        "fa47c35000",
        "fb3ff199999999999a",
        "f97e00",
        "f7",  # undefined
        "f0",  # simple values
        "f818",
        "a201020102",  # a key twice
        "a203040102",  # keys out of order
        "a2616201616101",
        "a1f401",  # a key that is no integer or string
        "a18001",
        "c401",  # a decimal fraction that is none
        "c483010203",
        "c482f401",
        "62c328",  # not UTF-8
        "61ff",
        "62c080",  # an overlong form
        "63eda080",  # a surrogate
        "64f4908080",  # beyond Unicode
        "44010203",  # ends early
        "830102",
        "a101",
        "9b7fffffffffffffff",  # a length beyond the buffer
        "5b7fffffffffffffff",
        "bb7fffffffffffffff",
        "81" * 20 + "80",  # too deep
        "d8" + "18" * 40,
    ):
        refused(cbor.decode, unhex(text))


def test_cbor_depth_costs_its_sender_only():
    assert "deep" in refused(cbor.decode, b"\x81" * 10000)
    assert "deep" in refused(cbor.decode, b"\xd8\x40" * 5000)


# --- frames ---


def test_frames_carry_any_message():
    for size in (0, 1, 2, 253, 254, 255, 256, 507, 508, 509, 762, 900, frame.MAX_MESSAGE):
        for message in (bytes(size), b"\xff" * size, bytes([i & 0xFF for i in range(size)])):
            encoded = frame.encode(message)
            assert len(encoded) <= frame.MAX_FRAME and encoded[-1] == 0 and 0 not in encoded[:-1]
            assert frame.FrameDecoder().feed(encoded) == [message]


def test_a_message_that_is_too_long_is_refused():
    try:
        frame.encode(bytes(frame.MAX_MESSAGE + 1))
    except ValueError as error:
        assert "over" in str(error)
    else:
        raise AssertionError


def test_a_frame_in_pieces_and_after_noise():
    decoder = frame.FrameDecoder()
    stream = b"\x13\x37 noise\x00" + frame.encode(b"one") + b"\x00\x00" + frame.encode(b"two") + b"\x05half"
    found = []
    for i in range(len(stream)):
        found += decoder.feed(stream[i : i + 1])
    assert found == [b"one", b"two"]
    assert decoder.crc_errors == 1
    assert decoder.feed(b"\x00" + frame.encode(b"three")) == [b"three"]


def test_an_endless_frame_is_dropped_and_counted_once():
    decoder = frame.FrameDecoder()
    for _ in range(100):
        assert decoder.feed(b"\x01" * 1000) == []
    assert decoder.oversize == 1
    assert decoder.feed(b"\x00" + frame.encode(b"after")) == [b"after"]


def test_any_flipped_bit_of_a_frame_is_noticed():
    encoded = frame.encode(b"a reading")
    for bit in range((len(encoded) - 1) * 8):
        changed = bytearray(encoded)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert b"a reading" not in frame.FrameDecoder().feed(bytes(changed))


# --- packs ---


def example_pack():
    return pack.Pack(
        "meter-1",
        3,
        7,
        pack.SYNCED,
        bytes(range(16)),
        (
            pack.Reading("voltage_l1", "V", 23168, -2, pack.GOOD, "", 1763676000123),
            pack.Reading("power_active", "W", -1520, 0, pack.UNCERTAIN, "", 1763676000123),
            pack.Reading("frequency", "Hz", None, 0, pack.BAD, "timeout", 1763676000623),
        ),
    )


def fake_sign(message):
    return b"S" * 64


def accept(kid, message, signature):
    return kid == b"12345678" and signature == b"S" * 64


def test_a_pack_comes_back_as_it_was():
    raw = pack.sign_pack(example_pack(), b"12345678", fake_sign)
    assert pack.open_pack(raw, accept) == (example_pack(), b"12345678")
    assert len(pack.pack_hash(raw)) == 16


def test_a_pack_with_a_wrong_signature_is_refused():
    raw = pack.sign_pack(example_pack(), b"12345678", fake_sign)
    assert "signature" in refused(pack.open_pack, raw, lambda *arguments: False)


def header(**changes):
    """The protected header of a pack with some labels changed; None takes one away."""
    labels = {"alg": 1, "crit": 2, "content": 3, "kid": 4, "place": pack.HEADER}
    result = {1: -8, 2: [pack.HEADER], 3: 112, 4: b"12345678", pack.HEADER: [3, 7, 2, bytes(16)]}
    for name, value in changes.items():
        if value is None:
            result.pop(labels[name])
        else:
            result[labels[name]] = value
    return result


def test_every_header_of_a_pack_is_checked():
    payload = pack.encode_readings("m", example_pack().readings)
    assert pack.open_pack(cose.sign1(header(), payload, fake_sign), accept)
    for changes in (
        {"alg": -7},
        {"alg": None},
        {"crit": None},
        {"crit": []},
        {"crit": [99]},
        {"crit": [pack.HEADER, 3]},
        {"content": 60},
        {"content": None},
        {"kid": b"1234567"},
        {"kid": "12345678"},
        {"kid": None},
        {"place": None},
        {"place": [3, 7, 2]},
        {"place": [-1, 7, 2, bytes(16)]},
        {"place": [3, 1 << 32, 2, bytes(16)]},
        {"place": [3, 7, 3, bytes(16)]},
        {"place": [3, 7, True, bytes(16)]},
        {"place": [True, 7, 2, bytes(16)]},
        {"place": [3, 7, 2, bytes(15)]},
    ):
        refused(pack.open_pack, cose.sign1(header(**changes), payload, fake_sign), accept)
    extra = header()
    extra[5] = b"nonce"
    refused(pack.open_pack, cose.sign1(extra, payload, fake_sign), accept)
    refused(pack.open_pack, cose.sign1(header(), payload, fake_sign, {4: b"12345678"}), accept)
    refused(pack.open_pack, cose.sign1(header(), payload, fake_sign, {99: 1}), accept)


def test_every_record_of_a_payload_is_checked():
    time = cbor.Decimal(-3, 1000)
    good = {-2: "m/", -3: time, 0: "x", 1: "V", 2: 5}
    assert pack.decode_readings(cbor.encode([good]))
    for changes in (
        {-2: None},
        {-2: "m"},
        {-2: "/"},
        {-2: "a b/"},
        {-3: None},
        {-3: 1},
        {-3: cbor.Decimal(-2, 5)},
        {-3: cbor.Decimal(-3, -5)},
        {0: None},
        {0: ""},
        {0: "-x"},
        {0: "a/b"},
        {0: "x" * 49},
        {1: None},
        {1: "V" * 13},
        {1: 5},
        {2: None},
        {2: "5"},
        {2: True},
        {2: cbor.Decimal(0, 5)},
        {2: cbor.Decimal(25, 5)},
        {3: "text and value"},
        {6: 5},
        {7: 1},
        {"q": 2},
        {"q": 3},
        {"q": True},
        {"other": 1},
    ):
        record = dict(good)
        for key, value in changes.items():
            if value is None:
                record.pop(key)
            else:
                record[key] = value
        refused(pack.decode_readings, cbor.encode([record]))
    for value in ([], [5], {}, [good, good], 7):
        refused(pack.decode_readings, cbor.encode(value))
    bad = {-2: "m/", -3: time, 0: "x", 1: "V", 3: "timeout", "q": 2}
    assert pack.decode_readings(cbor.encode([bad]))[1][0].reason == "timeout"
    for text in ("", "r" * 65):
        refused(pack.decode_readings, cbor.encode([_with(bad, 3, text)]))


def _with(record, key, value):
    changed = dict(record)
    changed[key] = value
    return changed


def test_split_fills_packs_and_keeps_every_reading():
    readings = [
        pack.Reading("power_active_l%d.mean" % (i % 3), "W", -123456789 + i, -3, pack.GOOD, "", 1763676000000 + i)
        for i in range(100)
    ]
    back = []
    for payload, count in pack.split("meter-1", readings, 5):
        place = pack.PackHeader(2**32 - 1, 2**32 - 1, 2, bytes(16))
        assert len(pack.sign_payload(place, payload, bytes(8), fake_sign)) <= pack.MAX_PACK
        device, run = pack.decode_readings(payload)
        assert (device, len(run)) == ("meter-1", count)
        back.extend(run)
    assert [reading.time_ms for reading in back] == [reading.time_ms + 5 for reading in readings]
    assert [reading[:-1] for reading in back] == [reading[:-1] for reading in readings]


def test_a_pack_that_is_too_large_is_refused_by_both_sides():
    reading = example_pack().readings[0]
    big = pack.Pack(*(example_pack()[:-1] + ((reading,) * 60,)))
    try:
        pack.sign_pack(big, b"12345678", fake_sign)
    except ValueError as error:
        assert "fewer" in str(error)
    else:
        raise AssertionError
    refused(pack.open_pack, bytes(pack.MAX_PACK + 1), accept)


# --- link messages ---


def test_link_messages_come_back_as_they_were():
    for message in (
        link.Hello(link.VERSION, b"12345678", bytes(32)),
        link.Welcome(b"raw"),
        link.Confirm(b"raw"),
        link.Sealed(b"12345678", 1 << 63, b"raw", bytes(8)),
        link.AskTime(),
        link.GivenUp("meter-1", 7, 9, bytes(16), 3),
        link.PackMessage(3, 7, b"raw"),
        link.Ack("meter-1", 3, 7, bytes(16)),
        link.TimeMessage(1763676000123, 2, 5),
        link.Error(link.REFUSED, "why"),
        link.CommandMessage(b"raw"),
        link.CommandAnswer(1 << 63, 3, b"why not"),
        link.CountersMessage({"packs sent": 5, "crc errors": 0}),
        link.CountersMessage({}),
    ):
        assert link.decode(link.encode(message)) == message


def test_other_link_messages_are_refused():
    for items in ([], [0], [9], [13], [4], [4, 1], [4, -1, 2, 0], [4, True, 2, 0], [4, 1, 2], [5, 1, "x" * 129], 4):
        refused(link.decode, cbor.encode(items))
    for items in ([3, "m", 1, 1, bytes(15)], [True, 3, 7, b"raw"]):
        refused(link.decode, cbor.encode(items))
    for items in ([6], [6, "raw"], [7, 1 << 64 - 1, 0, "text"], [7, -1, 0, b""], [7, 1, 0, bytes(901)], [8, []]):
        refused(link.decode, cbor.encode(items))
    for items in ([12, 1], [10], [11, "raw"], [1, 2, bytes(8), bytes(31)], [1, 2, bytes(8)]):
        refused(link.decode, cbor.encode(items))
    for items in ([9, bytes(8), 1, b"", bytes(7)], [9, bytes(7), 1, b"", bytes(8)], [9, bytes(8), -1, b"", bytes(8)]):
        refused(link.decode, cbor.encode(items))
    for counts in ({1: 1}, {"a": -1}, {"a": "b"}, {"a": True}, {"a": 1 << 32}, {"x" * 65: 1}, {"\n": 1}, {b"a": 1}):
        refused(link.decode, cbor.encode([8, counts]))
    refused(link.decode, b"\xff")


def test_a_hello_of_another_version_says_so_whatever_its_form():
    for items in ([1, 1, bytes(8), 3, "UNIX", "0.1"], [1, 3, bytes(8), bytes(32)], [1, 9]):
        try:
            link.decode(cbor.encode(items))
        except link.OtherVersion as error:
            assert "link version %d, this end speaks 2" % items[1] in str(error)
        else:
            raise AssertionError(items)
    assert "version" not in refused(link.decode, cbor.encode([1, 2, bytes(8)]))
    assert "version" not in refused(link.decode, cbor.encode([1]))


# --- numbers and reports ---


def test_a_register_of_a_real_meter():
    assert number.f32_decimal(0x4367AF55, 2) == 23168  # 231.68 V, an SDM630's answer
    assert number.f32_decimal(0xC367AF55, 2) == -23168


def test_special_floats():
    assert number.f32_decimal(0x7FC00000, 0) is None
    assert number.f32_decimal(0x7F800000, 0) is None
    assert number.f32_decimal(0xFF800000, 0) is None
    assert number.f32_decimal(0x80000000, 3) == 0
    assert number.f32_decimal(0x00000001, 60) == 1401298464324817
    assert number.f64_decimal(0x3FF8000000000000, 0) == 2  # 1.5, half to even
    assert number.f64_decimal(0x4004000000000000, 0) == 2  # 2.5
    assert number.f64_decimal(0x7FF0000000000000, 0) is None


def sample(mantissa, quality=pack.GOOD, reason="", channel="power_active"):
    return pack.Reading(channel, "W", mantissa, -1, quality, reason, 1000)


def report_of(kind, *readings):
    aggregator = aggregate.Aggregator({"power_active": kind})
    for reading in readings:
        aggregator.add([reading])
    return {reading.channel: reading for reading in aggregator.report()}


def test_statistics_are_exact():
    report = report_of(aggregate.STATISTICS, sample(10), sample(-4), sample(7))
    assert [report["power_active" + end].mantissa for end in ("", ".min", ".max", ".mean")] == [7, -4, 10, 4]
    assert all(reading.quality == pack.GOOD for reading in report.values())


def test_a_failed_poll_is_never_papered_over():
    report = report_of(aggregate.STATISTICS, sample(10), sample(None, pack.BAD, "timeout"))
    assert report["power_active"].quality == pack.BAD and report["power_active"].reason == "timeout"
    assert report["power_active.mean"].quality == pack.UNCERTAIN and report["power_active.mean"].mantissa == 10
    report = report_of(aggregate.STATISTICS, sample(None, pack.BAD, "timeout"))
    assert {reading.quality for reading in report.values()} == {pack.BAD}


def test_a_register_difference_spans_what_failed():
    aggregator = aggregate.Aggregator({"power_active": aggregate.REGISTER})
    aggregator.add([sample(1000)])
    assert len(aggregator.report()) == 1, "the first register has nothing to differ from"
    aggregator.add([sample(None, pack.BAD, "timeout")])
    assert [reading.quality for reading in aggregator.report()] == [pack.BAD]
    aggregator.add([sample(1042)])
    assert aggregator.report()[1].mantissa == 42
    aggregator.add([sample(17)])
    assert aggregator.report()[1].reason == "register went back"
    aggregator.add([sample(20)])
    assert aggregator.report()[1].mantissa == 3


# --- the examples of docs/wire-format.md ---


def test_the_documented_examples():
    found = vectors()
    raw = unhex(found["pack"])
    expected = (example_pack(), unhex(found["kid"]))
    assert pack.open_pack(raw, lambda kid, message, signature: True) == expected
    assert pack.pack_hash(raw) == unhex(found["pack_hash"])
    assert pack.encode_readings("meter-1", example_pack().readings) == unhex(found["payload"])
    signature = raw[-64:]
    assert pack.sign_pack(example_pack(), unhex(found["kid"]), lambda message: signature) == raw
    messages = {
        "hello": link.Hello(2, unhex(found["kid"]), unhex(found["node_share"])),
        "time": link.TimeMessage(1763676000123, 2, 0),
        "pack_message": link.PackMessage(3, 7, raw),
        "ack": link.Ack("meter-1", 3, 7, unhex(found["pack_hash"])),
        "error": link.Error(link.OUT_OF_ORDER, "packs before 3/7 come first"),
    }
    for name, message in messages.items():
        assert link.encode(message) == unhex(found[name]), name
        assert link.decode(unhex(found[name])) == message, name
    for name in ("time", "pack_message"):
        sealed = link.decode(unhex(found["sealed_" + name]))
        assert (sealed.session, sealed.number, sealed.message) == (unhex(found["session"]), 1, unhex(found[name]))
    assert frame.encode(unhex(found["sealed_time"])) == unhex(found["sealed_time_frame"])
