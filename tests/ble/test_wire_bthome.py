"""BTHome on both interpreters: plain asserts, no pytest."""

from wayside_node.radio_ble import Beacon
from wayside_wire import WireError, bthome
from wayside_wire.pack import BAD, GOOD, Reading

KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
ADDRESS = bytes.fromhex("5448e68f80a5")


def refused(function, *arguments):
    try:
        function(*arguments)
    except WireError as error:
        return str(error)
    raise AssertionError("not refused: %r" % (arguments,))


def good(channel, unit, mantissa, exponent):
    return Reading(channel, unit, mantissa, exponent, GOOD, "", 0)


def test_examples_of_the_format():
    # bthome.io/format: 25.06 degrees and 50.55 %.
    assert bthome.encode([(2, 2506), (3, 5055)]).hex() == "4002ca0903bf13"
    assert bthome.decode(bytes.fromhex("4002ca0903bf13")) == (
        None,
        [("temperature", "Cel", 2506, -2), ("humidity", "%RH", 5055, -2)],
    )
    # bthome.io/encryption: the same, with the key and counter of the example.
    sealed = bytes.fromhex("41a47266c95f730011223378237214")
    assert bthome.seal([(2, 2506), (3, 5055)], KEY, ADDRESS, 0x33221100) == sealed
    assert bthome.open_sealed(sealed, KEY, ADDRESS) == (0x33221100, bytes.fromhex("4002ca0903bf13"))


def test_flipped_bits_do_not_open():
    sealed = bthome.seal([(2, 2506), (3, 5055)], KEY, ADDRESS, 7)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        refused(bthome.open_sealed, bytes(flipped), KEY, ADDRESS)


def test_every_object_comes_back():
    for number, (name, unit, size, signed, factor, exponent) in bthome.MEASUREMENTS.items():
        edge = 8 * size - (1 if signed else 0)
        for raw in (0, 1, (1 << edge) - 1) + ((-1, -(1 << edge)) if signed else ()):
            _, found = bthome.decode(bthome.encode([(number, raw)]))
            if found == [(name, unit, None, 0)]:
                assert unit in ("Cel", "%EL", "%RH", "/100", "/", "deg") and raw not in (0, 1)
                continue
            assert found == [(name, unit, raw * factor, exponent)], number
            said = bthome.objects_of([good(name, unit, raw * factor, exponent)])
            assert bthome.decode(bthome.encode(said))[1] == found


def test_a_reading_is_said_in_the_nearest_steps():
    for reading, said in (
        (good("pm2.5", "ug/m3", 123, -1), (0x0D, 12)),  # half to even, as everywhere
        (good("pm2.5", "ug/m3", 125, -1), (0x0D, 12)),
        (good("pm2.5", "ug/m3", 126, -1), (0x0D, 13)),
        (good("temperature", "Cel", 25064, -3), (0x02, 2506)),
        (good("temperature", "Cel", 40016, -2), (0x45, 4002)),  # beyond what two decimals hold
        (good("temperature", "Cel", 25, 0), (0x57, 25)),  # exact in one byte
        (good("energy", "J", 1234567, 0), (0x0A, 343)),
        (good("pressure", "Pa", 1013, 2), (0x04, 101300)),
        (good("door", "/", 1, 0), (0x1A, 1)),
    ):
        assert bthome.objects_of([reading]) == [said], reading
    for reading in (
        good("pm2.5", "ug/m3", 655360, -1), good("pm2.5", "ug/m3", -1, 0), good("pm2.5", "kg/m3", 1, 0),
        good("level", "m", 1, 0), good("temperature", "Cel", 10**9, 0),
    ):  # fmt: skip
        assert bthome.objects_of([reading]) == [], reading


def test_two_of_a_kind_and_what_is_no_measurement():
    data = bthome.encode([(2, 1), (2, 2), (0, 9)]) + bytes.fromhex(
        "3a01 5303414243 5000112233 0c e803".replace(" ", "")
    )
    packet, found = bthome.decode(data)
    assert packet == 9
    assert [row[0] for row in found] == ["temperature", "temperature-2", "voltage"]
    assert bthome.decode(bthome.encode([(2, 1)]) + b"\xee\x01\x02\x03")[1] == [("temperature", "Cel", 1, -2)]


def test_what_is_none():
    for text in ("", "00", "20", "80", "4002", "4002ca", "4053", "405304aa", "41", "410102030405060708"):
        refused(bthome.decode, bytes.fromhex(text))
    for wrong in ([(2, 40000)], [(1, -1)], [(1, 256)]):
        try:
            bthome.encode(wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_reserved_bits_and_other_versions_are_not_guessed_at():
    # What once said that an address comes first: read as objects it is a temperature of -293.53 degrees.
    assert refused(bthome.decode, bytes.fromhex("4202578d38c1a404138a01")) == "BTHome: reserved bits are set"
    taken = [info for info in range(256) if not refuses(bytes([info]) + bytes.fromhex("02ca09"))]
    assert taken == [bthome.PLAIN, bthome.PLAIN | bthome.TRIGGERED]
    sealed = bthome.seal([(2, 2506)], KEY, ADDRESS, 7)
    for info in range(256):
        if info != sealed[0]:
            refused(bthome.open_sealed, bytes([info]) + sealed[1:], KEY, ADDRESS)


def refuses(data):
    try:
        bthome.decode(data)
    except WireError:
        return True
    return False


def test_what_cannot_be_is_no_value():
    for text, found in (
        ("028d57" "0ce803", [("temperature", "Cel", 22413, -2), ("voltage", "V", 1000, -3)]),
        ("024d95", [("temperature", "Cel", -27315, -2)]),
        ("024c95", [("temperature", "Cel", None, 0)]),
        ("020080" "0ce803", [("temperature", "Cel", None, 0), ("voltage", "V", 1000, -3)]),
        ("45ff7f", [("temperature", "Cel", 32767, -1)]),
        ("0164", [("battery", "%EL", 100, 0)]),
        ("0165", [("battery", "%EL", None, 0)]),
        ("031027", [("humidity", "%RH", 10000, -2)]),
        ("031127", [("humidity", "%RH", None, 0)]),
        ("03ffff" "2e65", [("humidity", "%RH", None, 0), ("humidity-2", "%RH", None, 0)]),
        ("0f02", [("generic", "/", None, 0)]),
        ("2d01", [("window", "/", 1, 0)]),
        ("5ea08c", [("direction", "deg", 36000, -2)]),
        ("5ea18c", [("direction", "deg", None, 0)]),
    ):  # fmt: skip
        assert bthome.decode(bytes.fromhex("40" + text))[1] == found, text


def test_beacon_takes_turns_and_keeps_silent():
    counters = list(range(100, 0, -1))
    beacon = Beacon(ADDRESS, KEY, counters.pop)
    many = [
        good("temperature", "Cel", 2150, -2), good("humidity", "%RH", 4000, -2), good("pressure", "Pa", 101325, 0),
        good("co2", "ppm", 612, 0), good("pm10", "ug/m3", 24, 0), good("energy", "J", 3600000, 0),
        Reading("pm2.5", "ug/m3", None, 0, BAD, "warming up", 0),
    ]  # fmt: skip
    beacon.take(many)
    seen = {}
    last = 0
    for _ in range(4):
        data = beacon.next()
        assert len(data) <= 31 and data[:3] == b"\x02\x01\x06" and data[4:7] == b"\x16\xd2\xfc"
        counter, plain = bthome.open_sealed(data[7:], KEY, ADDRESS)
        assert counter > last
        last = counter
        for name, unit, mantissa, exponent in bthome.decode(plain)[1]:
            seen[name] = (unit, mantissa, exponent)
    assert seen == {reading.channel: tuple(reading[1:4]) for reading in many[:-1]}
    assert beacon.silent == 1
    beacon.take(many[-1:])
    assert beacon.next() is None


def test_plain_beacon():
    beacon = Beacon(ADDRESS, None, None)
    beacon.take([good("temperature", "Cel", -1234, -2)])
    told = [beacon.next(), beacon.next()]
    assert [bthome.decode(data[7:])[0] for data in told] == [1, 2]
    assert bthome.decode(told[0][7:])[1] == [("temperature", "Cel", -1234, -2)]
