"""Which time a TLS handshake is given, what is kept of it in flash, and that nothing of it reaches a reading."""

from fakes import Time, files, scratch
from wayside_node import BUILT_MS
from wayside_node.certificate_time import CertificateTime, validity
from wayside_node.copies import Copies
from wayside_wire.pack import HOLDOVER, SYNCED, UNSYNCED

DAY = 86400000
NOW = BUILT_MS + 100 * DAY


def element(tag, *parts):
    content = b"".join(parts)
    size = bytes([len(content)]) if len(content) < 0x80 else b"\x82" + len(content).to_bytes(2, "big")
    return bytes([tag]) + size + content


def text_of(utc_ms):
    """YYYYMMDDHHMMSSZ, by counting days: slowly, and as everybody does."""
    days, seconds = utc_ms // DAY, utc_ms // 1000 % 86400
    year = 1970
    while True:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if days < 365 + leap:
            break
        days -= 365 + leap
        year += 1
    month = 1
    for length in (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31):
        if days < length:
            break
        days -= length
        month += 1
    clock = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "%04d%02d%02d%02d%02d%02dZ" % ((year, month, days + 1) + clock)


def certificate(begin_ms, end_ms, version=True):
    """The outline of RFC 5280 section 4.1; times from 2050 on are GeneralizedTime."""
    times = []
    for utc_ms in (begin_ms, end_ms):
        text = text_of(utc_ms).encode()
        times.append(element(23, text[2:]) if text[:4] < b"2050" else element(24, text))
    front = element(0xA0, element(2, b"\x02")) if version else b""
    names = element(0x30, bytes(200)), element(0x30, *times), element(0x30, bytes(90))
    inner = element(0x30, front, element(2, bytes(20)), element(0x30, bytes(10)), *names)
    return element(0x30, inner, element(0x30, bytes(10)), element(3, bytes(70)))


class Context:
    """What the library does of a handshake at the time that the board's clock has."""

    def __init__(self):
        self.verify_callback = None


class Bench:
    def __init__(self, folder=None, at_ms=0):
        self.folder = folder or scratch("utc")
        self.time = Time(at_ms)
        self.clock = self.time.clock()
        self.said = []
        self.chip_ms = None
        self.files = files()
        self.context = Context()
        self.certificate_time = CertificateTime(
            self.context, self.files, self.folder + "/utc", self.clock, self.set_clock, self.said.append
        )

    def set_clock(self, utc_ms):
        self.chip_ms = utc_ms

    def handshake(self, *windows):
        """As mqtt_port does it; whether the library is content."""
        self.certificate_time.begin()
        if self._content(windows) or (self.certificate_time.once_more() and self._content(windows)):
            self.certificate_time.connected()
            return True
        self.certificate_time.failed()
        return False

    def _content(self, windows):
        for depth, (begin_ms, end_ms) in enumerate(windows):
            assert self.context.verify_callback(memoryview(certificate(begin_ms, end_ms)), depth) == 0
        return all([begin_ms <= self.chip_ms <= end_ms for begin_ms, end_ms in windows])

    def told(self, utc_ms, quality=SYNCED):
        return self.clock.set_utc(utc_ms, quality)

    def keep(self):
        if self.certificate_time.keep_due():
            self.certificate_time.keep()
            return True
        return False


def kept(utc_ms):
    """A board that was told this time, kept it and lost its power."""
    b = Bench()
    b.told(utc_ms)
    assert b.keep()
    return Bench(b.folder)


def test_the_window_of_a_certificate():
    for begin_ms, end_ms in ((0, DAY), (951782400000, 1709164800000), (NOW, 2524607999000), (NOW, 4102444800000)):
        for version in (True, False):
            assert validity(certificate(begin_ms, end_ms, version)) == (begin_ms, end_ms)
    good = certificate(NOW, NOW + DAY)
    b = Bench()
    for size in range(len(good)):  # whatever it is, nothing goes through the library
        assert b.context.verify_callback(memoryview(good[:size]), 0) == 0


def test_the_first_start_of_all():
    b = Bench()
    assert b.handshake((BUILT_MS - DAY, NOW + DAY))
    assert b.chip_ms == BUILT_MS
    assert b.handshake((NOW - DAY, NOW + DAY))
    assert b.chip_ms == NOW - DAY
    assert not b.handshake((BUILT_MS - 9 * DAY, BUILT_MS - DAY))


def test_the_last_good_time_is_what_is_certain():
    b = kept(NOW)
    assert b.handshake((NOW - DAY, NOW + DAY))
    assert b.chip_ms == NOW
    assert not b.handshake((NOW - 9 * DAY, NOW - DAY))


def test_a_certificate_renewed_while_the_node_was_off():
    b = kept(NOW)
    assert b.handshake((NOW + 50 * DAY, NOW + 140 * DAY), (NOW + 40 * DAY, NOW + 900 * DAY))
    assert b.chip_ms == NOW + 50 * DAY
    # Its authority has ended since: no time suits both.
    assert not b.handshake((NOW + 50 * DAY, NOW + 140 * DAY), (NOW - 40 * DAY, NOW + 45 * DAY))


def test_what_is_kept_makes_no_time_of_a_reading():
    b = kept(NOW)
    b.handshake((NOW + DAY, NOW + 2 * DAY))
    assert b.clock.quality() == UNSYNCED
    assert b.clock.sure_utc() is None
    assert b.clock.wants_time(0)
    assert b.clock.stamp(5) == 5


def test_while_the_time_is_known_begin_and_end_count():
    b = Bench()
    b.told(NOW)
    assert b.handshake((NOW - DAY, NOW + DAY))
    assert not b.handshake((NOW + DAY, NOW + 2 * DAY))
    assert not b.handshake((NOW - 2 * DAY, NOW - DAY))
    b.time.advance(3600000)
    assert b.clock.quality() == HOLDOVER
    assert b.handshake((NOW + DAY, NOW + 2 * DAY))
    assert not b.handshake((NOW - 2 * DAY, NOW + 3599000))


def test_a_time_that_the_gateway_is_not_sure_of_is_not_certain():
    b = kept(NOW)
    b.told(NOW + 300 * DAY, HOLDOVER)
    assert b.handshake((NOW - DAY, NOW + DAY))
    assert not b.keep()


def test_it_is_written_once_a_day_and_not_for_each_start():
    b = Bench()
    b.told(NOW)
    writings = 0
    for hour in range(24 * 30):
        b.told(NOW + hour * 3600000)
        writings += b.keep()
        b.time.advance(3600000)
    assert writings == 30
    b.told(NOW + 30 * DAY)
    b.keep()
    for _ in range(100):
        b = Bench(b.folder)
        b.told(NOW + 30 * DAY + 3600000)
        assert not b.keep()


def test_a_time_that_jumps_to_and_fro_is_written_once_an_hour_at_most():
    b = Bench()
    writings = 0
    for minute in range(600):
        now_ms = NOW + (minute % 2) * 9 * DAY
        for _ in range(4):
            b.told(now_ms + b.time.at_ms)
            b.time.advance(15000)
        writings += b.keep()
    assert 0 < writings <= 11


def test_damage_leaves_the_other_copy_or_the_firmware():
    for damaged, certain_ms in ((("utc.0",), NOW), (("utc.1",), NOW), (("utc.0", "utc.1"), BUILT_MS)):
        for content in (b"", b"\xff" * 16, b"\x00" * 16, b"x" * 400):
            b = kept(NOW)
            for name in damaged:
                b.files.replace("%s/%s" % (b.folder, name), content)
            b = Bench(b.folder)
            b.certificate_time.begin()
            assert b.chip_ms == certain_ms
            assert b.told(NOW + 2 * DAY) == "" and b.keep()


def test_a_kept_time_that_cannot_be():
    for utc_ms in (0, BUILT_MS - 1, BUILT_MS + 26 * 365 * DAY, (1 << 64) - 1):
        b = Bench()
        Copies(b.files, b.folder + "/utc", "<IQ").store(7, utc_ms)
        b = Bench(b.folder)
        b.certificate_time.begin()
        assert b.chip_ms == BUILT_MS
        b.told(NOW)
        assert b.keep()
        assert not Bench(b.folder).handshake((NOW - 2 * DAY, NOW - DAY))


def test_a_wrong_time_that_was_kept_costs_a_day_and_no_visit():
    b = kept(NOW + 3000 * DAY)  # the gateway was sure, and wrong
    right = (NOW - DAY, NOW + 30 * DAY)
    for _ in range(24):
        assert not b.handshake(right)
        b.time.advance(3600000)
    assert b.handshake(right)
    assert len(b.said) == 1
    b.time.advance(60000)
    assert b.handshake(right)  # the link is lost again, before the gateway had the word
    b.told(NOW)
    b.certificate_time.connected()
    assert b.keep()
    assert b.handshake(right)
    b = Bench(b.folder)
    assert b.handshake(right)
    assert b.chip_ms == NOW


def test_a_wrong_time_of_this_start_costs_a_day_too():
    b = Bench()
    b.told(NOW + 3000 * DAY)
    right = (NOW - DAY, NOW + 30 * DAY)
    for _ in range(25):
        b.handshake(right)
        b.time.advance(3600000)
    assert b.handshake(right)


def test_a_broker_that_is_away_makes_nobody_doubt_the_time():
    b = kept(NOW)
    old = (NOW - 9 * DAY, NOW - DAY)
    for _ in range(100):
        b.certificate_time.begin()
        b.certificate_time.failed()  # refused, silent, no such host: no certificate was seen
        b.time.advance(3600000)
    assert not b.handshake(old)
    b.time.advance(DAY // 2)
    assert b.handshake((NOW - DAY, NOW + 9 * DAY))
    b.time.advance(DAY // 2)
    assert not b.handshake(old)


def test_a_full_flash_is_tried_again_in_an_hour():
    b = Bench()
    b.told(NOW)

    def full(path, data):
        raise OSError(28)

    b.files.replace, replace = full, b.files.replace
    assert b.keep()
    assert len(b.said) == 1
    assert not b.keep()
    b.files.replace = replace
    b.time.advance(3600000)
    b.told(NOW + 3600000)
    assert b.keep() and not b.keep()
    assert Bench(b.folder).handshake((NOW - DAY, NOW + DAY))
