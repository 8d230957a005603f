"""Frames on the air, on both interpreters: plain asserts, no pytest."""

import hashlib

from wayside_wire import WireError, lora, pack
from wayside_wire import lora_report as report

KEY = bytes(range(16))
SIX = report.AirProfile(
    [
        report.ReportChannel("pm2.5", "ug/m3", -1),
        report.ReportChannel("pm10", "ug/m3", -1),
        report.ReportChannel("co2", "ppm", 0),
        report.ReportChannel("temperature", "Cel", -2),
        report.ReportChannel("humidity", "%RH", -2),
        report.ReportChannel("pressure", "Pa", 0),
    ]
)
VALUES = (123, 245, 612, -1234, 5678, 101325)
TIME_S = 1790000000


FIELDS = (
    (pack.Reading, ("channel", "unit", "mantissa", "exponent", "quality", "reason", "time_ms")),
    (report.AirHead, ("boot", "sequence", "time_quality", "older_held", "previous", "times_s", "signature")),
    (report.AirAnswer, ("status", "time_quality", "utc_ms", "boot", "sequence", "detail", "config")),
)


def changed(row, **changes):
    """A named tuple with other values; MicroPython's have no _replace()."""
    for kind, names in FIELDS:
        if isinstance(row, kind):
            return kind(*[changes[name] if name in changes else getattr(row, name) for name in names])
    raise TypeError(row)


def refused(function, *arguments):
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


def readings(values=VALUES, time_s=TIME_S):
    rows = zip(SIX.channels, values)
    return [pack.Reading(row.name, row.unit, value, row.exponent, pack.GOOD, "", 1000 * time_s) for row, value in rows]


def sealed(kind=lora.REPORT, asks=False, counter=7, payload=None, network=0xA1B2C3D4, node=3):
    payload = report.encode_report(SIX, 5, pack.SYNCED, TIME_S, readings()) if payload is None else payload
    return lora.LoraSession(KEY, SIX.digest).seal(lora.Header(kind, asks, network, node, counter), payload)


def test_six_readings_in_51_bytes():
    assert len(sealed()) == 39
    # At their widest that the promise holds for: six values of 28 bits.
    widest = report.encode_report(SIX, 63, pack.SYNCED, TIME_S, readings([-(1 << 27)] * 6))
    assert len(sealed(payload=widest)) == 50


def test_vector():
    assert SIX.digest == bytes.fromhex("b1527723fdc13280")
    plain = report.encode_report(SIX, 5, pack.SYNCED, TIME_S, readings())
    assert plain.hex() == "856ab13b800000f601ea03c809a313dc589aaf0c"
    assert sealed().hex() == "10a1b2c3d4000300000007bdaaa3f616ea5fd2eb0fec627882579530adee8f5235ea7067ec5222"


def test_a_report_survives_the_way():
    raw = sealed()
    header = lora.read_header(raw)
    assert header == lora.Header(lora.REPORT, False, 0xA1B2C3D4, 3, 7)
    assert lora.read_header(sealed(lora.HEAD, True)) == lora.Header(lora.HEAD, True, 0xA1B2C3D4, 3, 7)
    back = report.decode_report(SIX, lora.LoraSession(KEY, SIX.digest).open(raw))
    assert back == report.AirReport(5, pack.SYNCED, TIME_S, readings())


def test_qualities_and_reasons():
    given = readings()[:4]
    given[1] = changed(given[1], quality=pack.UNCERTAIN)
    given[2] = changed(given[2], mantissa=None, exponent=0, quality=pack.BAD, reason="warming up")
    given[3] = changed(given[3], mantissa=None, exponent=0, quality=pack.BAD, reason="eaten by a dog")
    back = report.decode_report(SIX, report.encode_report(SIX, 0, pack.UNSYNCED, 9, given)).readings
    assert [reading.quality for reading in back] == [pack.GOOD, pack.UNCERTAIN, pack.BAD, pack.BAD]
    assert [reading.reason for reading in back] == ["", "", "warming up", "other fault"]
    assert back[2].mantissa is None


def test_what_the_profile_does_not_have_is_not_sent():
    for wrong in (
        [changed(readings()[0], channel="pm1")],
        [changed(readings()[0], exponent=0)],
        [changed(readings()[0], unit="mg/m3")],
        [changed(readings()[0], mantissa=1 << 63)],
        [],
    ):
        try:
            report.encode_report(SIX, 0, pack.SYNCED, TIME_S, wrong)
        except ValueError:
            continue
        raise AssertionError("not refused: %r" % (wrong,))


def test_another_profile_key_network_or_counter_does_not_open():
    raw = sealed()
    other = report.AirProfile(SIX.channels[:5])
    refused(lora.LoraSession(KEY, other.digest).open, raw)
    refused(lora.LoraSession(bytes(16), SIX.digest).open, raw)
    session = lora.LoraSession(KEY, SIX.digest)
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        refused(session.open, bytes(flipped))


def test_headers_that_are_none():
    raw = sealed()
    for wrong in (b"", raw[:18], bytes([raw[0] | 0x20]) + raw[1:], bytes([0x1F]) + raw[1:], bytes(256)):
        refused(lora.read_header, wrong)
    try:
        sealed(payload=bytes(237))
    except ValueError:
        return
    raise AssertionError("a frame over 255 bytes")


def test_payloads_have_one_encoding_only():
    plain = report.encode_report(SIX, 5, pack.SYNCED, TIME_S, readings())
    for size in range(len(plain)):
        refused(report.decode_report, SIX, plain[:size])
    refused(report.decode_report, SIX, plain + b"\x00")
    refused(report.decode_report, SIX, b"\xc5" + plain[1:])  # time quality 3
    refused(report.decode_report, SIX, plain[:5] + b"\x00\x10" + plain[7:])  # a seventh channel
    refused(report.decode_report, SIX, plain[:5] + b"\xff\x0f")  # nothing in it
    one = report.AirProfile(SIX.channels[:1])
    for text in ("8000", "80808080808080808000", "ffffffffffffffffff02", "8080808080808080808001"):
        refused(report.decode_report, one, plain[:5] + b"\x00" + bytes.fromhex(text))
    refused(report.decode_report, one, plain[:5] + b"\x02\x7f")  # unknown reason


def the_head(**changes):
    fields = report.AirHead(
        300, 4, pack.SYNCED, False, bytes(range(16)), [TIME_S, TIME_S + 900, TIME_S + 1800], bytes(range(64))
    )
    return changed(fields, **changes) if changes else fields


def test_head():
    for head in (the_head(), the_head(older_held=True, boot=0xFFFFFFFF), the_head(times_s=[0])):
        assert report.decode_head(report.encode_head(head)) == head
    payload = report.encode_head(the_head())
    assert len(payload) + lora.OVERHEAD == 111
    for size in range(len(payload)):
        refused(report.decode_head, payload[:size])
    refused(report.decode_head, payload + b"\x00")
    refused(report.decode_head, bytes([payload[0] | 0xC0]) + payload[1:])
    for wrong in ({"times_s": [5, 5]}, {"times_s": []}, {"signature": b""}, {"times_s": list(range(32))}):
        try:
            report.encode_head(the_head(**wrong))
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_answers():
    taken = report.AirAnswer(report.TAKEN, pack.SYNCED, 1790000000123, 300, 4, bytes(8), b"")
    missing = changed(taken, status=report.MISSING, detail=5)
    for answer in (
        taken,
        missing,
        changed(taken, status=report.BUSY, detail=0),
        changed(taken, status=report.TIME, boot=0, sequence=0, detail=0),
    ):
        payload = report.encode_answer(answer)
        assert report.decode_answer(payload) == answer
        for size in range(len(payload)):
            refused(report.decode_answer, payload[:size])
        refused(report.decode_answer, payload + b"\x00")
        refused(report.decode_answer, bytes([payload[0] | 32]) + payload[1:])  # a configuration of no bytes
        with_config = changed(answer, config=b"\x01\x00\x08")
        assert report.decode_answer(report.encode_answer(with_config)) == with_config
    refused(report.decode_answer, report.encode_answer(changed(missing, detail=0)))
    late = bytes([report.TIME]) + (253402300800000).to_bytes(6, "big")  # the year 10000
    assert refused(report.decode_answer, late) == "LoRa answer: a time after the year 9999"
    refused(report.decode_answer, b"\x06" + bytes(6))


def test_both_ends_make_the_same_pack():
    """The node signs what it would decode itself, so the gateway has the very bytes that were signed."""
    payloads = [
        report.encode_report(SIX, 1, pack.SYNCED, TIME_S + 60 * i, readings(VALUES[:5] + (101325 + i,))) for i in (0, 1)
    ]
    heard = {}
    for payload in payloads:
        one = report.decode_report(SIX, payload)
        heard[one.time_s] = one
    head = the_head(boot=1, times_s=[TIME_S, TIME_S + 60])

    def sign(message):
        digest = hashlib.sha256(message).digest()
        return digest + digest

    raw = pack.sign_pack(report.pack_of("air-1", head, heard), bytes(8), sign)
    again, _ = pack.open_pack(raw, lambda kid, message, signature: sign(message) == signature)
    assert [reading.mantissa for reading in again.readings] == list(VALUES + VALUES[:5] + (101326,))
    assert again.readings[-1].time_ms == 1000 * (TIME_S + 60)
