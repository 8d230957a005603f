"""Input that is made to do harm, on both interpreters: a clear error each, nothing else. Every case was a bug once or
guards a rule that is easily lost."""

from wayside_wire import WireError, aggregate, cbor, cose, frame, link, pack, senml

TIME = cbor.Decimal(-3, 1000)


def fails(kind, function, *arguments):
    """The text of the error that the call raises; it has to be exactly of this kind."""
    try:
        function(*arguments)
    except Exception as error:
        assert type(error) is kind, repr(error)
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


def accept(*arguments):
    return True


def proof(message):
    return bytes(64)


# --- CBOR ---


def test_only_keys_that_can_be_decoded_are_encoded():
    for key in (True, None, (1, 2), cbor.Decimal(1, 2)):
        fails(TypeError, cbor.encode, {key: 1})


def test_tag_4_has_one_spelling():
    fails(ValueError, cbor.encode, cbor.Tag(4, [1, 2]))


def test_nesting_has_the_same_limit_both_ways():
    value = cbor.Decimal(1, 2)
    for _ in range(cbor.MAX_DEPTH - 2):
        value = [value]
    assert cbor.decode(cbor.encode(value)) == value
    fails(ValueError, cbor.encode, [value])
    fails(WireError, cbor.decode, b"\x81" + cbor.encode(value))
    value = {}
    for _ in range(cbor.MAX_DEPTH):
        value = {1: value}
    assert cbor.decode(cbor.encode(value)) == value
    fails(ValueError, cbor.encode, {1: value})
    fails(WireError, cbor.decode, b"\xa1\x01" + cbor.encode(value))


def test_every_head_has_one_spelling():
    for argument in (0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296):
        for major in (0, 1, 6):
            for code in (24, 25, 26, 27):
                size = 1 << (code - 24)
                if argument >> (8 * size):
                    continue
                shortest = argument >= (24 if size == 1 else 1 << (4 * size))
                item = bytes([major << 5 | code]) + argument.to_bytes(size, "big") + (b"\x00" if major == 6 else b"")
                if shortest:
                    assert cbor.encode(cbor.decode(item)) == item
                else:
                    assert "shortest" in fails(WireError, cbor.decode, item)


def test_every_cut_of_an_item_ends_early():
    item = cbor.encode({1: [b"bytes", "text", 1000, -70000], "k": cbor.Tag(18, [cbor.Decimal(-3, 2**40)]), b"b": None})
    for size in range(len(item)):
        fails(WireError, cbor.decode, item[:size])
    assert cbor.decode(bytearray(item)) == cbor.decode(memoryview(item)) == cbor.decode(item)


def test_a_text_key_and_a_byte_key_are_two_keys():
    value = cbor.decode(cbor.encode({"a": 1, b"a": 2}))
    assert value["a"] == 1 and value[b"a"] == 2 and len(value) == 2


# --- COSE ---


def test_labels_in_crit_that_are_no_labels():
    for label in ([], {}, True, None, b"x", cbor.Decimal(1, 1)):
        raw = cose.mac0({1: 5, 2: [label]}, b"", proof)
        assert "not a list of labels" in fails(WireError, cose.open_mac0, raw, accept)


def test_parts_of_the_wrong_type():
    good = [cbor.encode({1: 5}), {}, b"payload", b"tag"]
    assert cose.open_mac0(cbor.encode(cbor.Tag(17, good)), accept)[2] == b"payload"
    for place in range(4):
        for other in (None, 1, "text", [], cbor.Decimal(1, 1)):
            parts = list(good)
            parts[place] = other
            fails(WireError, cose.open_mac0, cbor.encode(cbor.Tag(17, parts)), accept)
    for header in (b"\xa1", b"\x80", b"\xa0\x00", b"\x01"):
        fails(WireError, cose.open_mac0, cbor.encode(cbor.Tag(17, [header] + good[1:])), accept)


def test_an_empty_protected_header_has_two_spellings_and_one_meaning():
    # RFC 9052 section 3: senders SHOULD write the empty string, receivers MUST take the empty map.
    seen = []

    def check(protected, unprotected, message, tag):
        seen.append(message)
        return True

    for header in (b"", b"\xa0"):
        cose.open_mac0(cbor.encode(cbor.Tag(17, [header, {}, b"p", b"t"])), check)
    assert seen[0] == seen[1]


def test_a_message_of_one_kind_is_none_of_the_other():
    seen = []

    def mac(message):
        seen.append(message)
        return b"m" * 8

    cose.mac0({1: 5}, b"p", mac)
    cose.sign1({1: 5}, b"p", mac)
    assert seen[0] != seen[1]


# --- packs ---


def good(**changes):
    record = {-2: "m/", -3: TIME, 0: "x", 1: "V", 2: 5}
    labels = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "vs": 3, "t": 6, "q": "q"}
    for name in changes:
        record[labels[name]] = changes[name]
    return record


def test_a_reading_has_one_spelling():
    assert senml.decode_readings(cbor.encode([good()]))
    later = {0: "y", 1: "V", 2: 5, 6: cbor.Decimal(-3, 0)}
    bad = good(vs="why", q=2)
    for records in (
        [good(q=0)],  # good is not said
        [good(vs=None)],  # nor is what is absent
        [bad],  # a value beside a reason
        [good(v=None, vs="why", q=2)],
        [good(t=cbor.Decimal(-3, 0))],  # no time is the base time
        [good(t=cbor.Decimal(-3, 7))],  # the first record's time is the base time
        [good(), later],
        [good(), {0: "y", 1: "V", 2: 5, 6: cbor.Decimal(-3, -1001)}],  # before zero
        [good(), {0: "y", 1: "V", 2: 5, 6: cbor.Decimal(-3, 253402300799999)}],  # after the year 9999
        [good(), {-3: TIME, 0: "y", 1: "V", 2: 5}],
        [good(v=cbor.Tag(2, b"\x05"))],
    ):
        fails(WireError, senml.decode_readings, cbor.encode(records))


def test_what_the_other_side_would_refuse_is_not_signed():
    whole = pack.Reading("x", "V", 5, -1, pack.GOOD, "", 1000)
    assert senml.encode_readings("m", (whole,))
    fields = ("channel", "unit", "mantissa", "exponent", "quality", "reason", "time_ms")
    for field, value in (
        ("channel", ""),
        ("channel", "a/b"),
        ("channel", "x" * 49),
        ("channel", None),
        ("unit", "V" * 13),
        ("mantissa", None),
        ("mantissa", 1 << 64),
        ("exponent", 25),
        ("quality", 3),
        ("quality", pack.BAD),
        ("time_ms", -1),
    ):
        values = list(whole)
        values[fields.index(field)] = value
        fails(ValueError, senml.encode_readings, "m", (pack.Reading(*values),))
    fails(ValueError, senml.encode_readings, "m", (pack.Reading("x", "V", None, 0, pack.BAD, "", 1000),))
    for device in ("", "a b", "a/b", "d" * 49):
        fails(ValueError, senml.encode_readings, device, (whole,))
    fails(ValueError, senml.encode_readings, "m", ())
    fails(ValueError, senml.encode_readings, "m", (whole,) * 65)


def test_a_reason_is_shown_as_it_is_so_it_cannot_hold_everything():
    bad = pack.Reading("x", "V", None, 0, pack.BAD, "\x1b[2Jcaf\u00e9" + "r" * 99, 1000)
    _, readings = senml.decode_readings(senml.encode_readings("m", (bad,)))
    assert readings[0].reason[:9] == "?[2Jcaf?r" and len(readings[0].reason) == 64
    for text in ("\x1b[2J", "caf\u00e9", "a\nb", "r" * 65, ""):
        fails(WireError, senml.decode_readings, cbor.encode([{-2: "m/", -3: TIME, 0: "x", 1: "V", 3: text, "q": 2}]))
    fails(WireError, senml.decode_readings, cbor.encode([good(u="\u00b5V")]))


def test_split_fills_a_pack_before_it_begins_the_next():
    device = "d" * 48
    readings = [pack.Reading("power_active_l%d" % i, "W", 10**12 + i, -3, pack.GOOD, "", 1 << 40) for i in range(64)]
    runs = pack.split(device, readings)
    assert len(runs) > 1
    for run in runs:
        place = pack.PackHeader(2**32 - 1, 2**32 - 1, 2, bytes(16))
        size = len(pack.sign_payload(place, run[0], bytes(8), proof))
        assert size <= pack.MAX_PACK
        if run is not runs[-1]:
            assert size > pack.MAX_PACK - 50, "one more would have fitted"


# --- frames ---


def test_a_storm_of_delimiters_and_half_frames():
    decoder = frame.FrameDecoder()
    assert decoder.feed(bytes(10000)) == []
    assert decoder.crc_errors == 0
    assert decoder.feed(b"\x02\x00" * 1000) == []
    assert decoder.crc_errors == 1000
    assert decoder.feed(frame.encode(b"still here")) == [b"still here"]


def test_the_longest_frame_passes_and_one_byte_more_does_not():
    longest = frame.encode(b"\x01" * frame.MAX_MESSAGE)
    assert len(longest) == frame.MAX_FRAME
    decoder = frame.FrameDecoder()
    for at in range(0, len(longest), 7):
        found = decoder.feed(longest[at : at + 7])
    assert found == [b"\x01" * frame.MAX_MESSAGE] and decoder.oversize == 0
    assert decoder.feed(b"\x01" + longest) == [] and decoder.oversize == 1


# --- link ---


def test_every_field_of_every_message_is_checked():
    for message in (
        link.Hello(link.VERSION, bytes(8), bytes(32)),
        link.Sealed(bytes(8), 7, b"raw", bytes(8)),
        link.PackMessage(3, 7, b"raw"),
        link.Ack("meter-1", 3, 7, bytes(16)),
        link.TimeMessage(1000, 2, 7),
        link.Error(2, "why"),
    ):
        items = cbor.decode(link.encode(message))
        for place in range(len(items)):
            for other in (None, True, -1, 1 << 50, [], {}, cbor.Decimal(1, 1), "line\nbreak", "\x1b[2J", b"\x00" * 9):
                if isinstance(other, bytes) and isinstance(message, (link.PackMessage, link.Sealed)) and place == 3:
                    continue
                if other == 1 << 50 and isinstance(message, (link.Sealed, link.TimeMessage)) and place in (2, 3):
                    continue  # a number fits
                changed = list(items)
                changed[place] = other
                fails(WireError, link.decode, cbor.encode(changed))
        fails(WireError, link.decode, cbor.encode(items + [1]))
        fails(WireError, link.decode, cbor.encode(items[:-1]))


def test_what_the_other_side_would_refuse_is_not_sent():
    fails(ValueError, link.encode, link.TimeMessage(1000, 3, 0))
    fails(ValueError, link.encode, link.Error(2, "x" * 129))
    cut = link.error(2, "a line\nand \u00fc" + "x" * 200)
    assert cut.text[:12] == "a line?and ?" and len(cut.text) == 128
    assert link.decode(link.encode(cut)) == cut


# --- reports ---


def test_an_uncertain_sample_makes_its_statistics_uncertain():
    aggregator = aggregate.Aggregator({"p": aggregate.STATISTICS})
    for quality in (pack.GOOD, pack.UNCERTAIN, pack.GOOD):
        aggregator.add([pack.Reading("p", "W", 5, 0, quality, "", 1000)])
    assert [reading.quality for reading in aggregator.report()] == [pack.GOOD] + [pack.UNCERTAIN] * 3
    aggregator.add([pack.Reading("p", "W", 5, 0, pack.GOOD, "", 1000)])
    assert [reading.quality for reading in aggregator.report()] == [pack.GOOD] * 4


def test_a_channel_that_changes_its_exponent_or_unit_is_refused():
    for unit, exponent in (("W", -1), ("VA", 0)):
        aggregator = aggregate.Aggregator({"p": aggregate.STATISTICS})
        aggregator.add([pack.Reading("p", "W", 5, 0, pack.GOOD, "", 1000)])
        fails(ValueError, aggregator.add, [pack.Reading("p", unit, 5, exponent, pack.GOOD, "", 2000)])
