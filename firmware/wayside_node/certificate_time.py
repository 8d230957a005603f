"""What time it is for a TLS handshake, on a board whose own clock begins anywhere and whose time comes over that link.

The board's clock is set before each handshake to the time that is certainly over: the gateway's, once it was sure of
it since the start; else the last one of that kind, which is kept in flash; else the firmware's own. A certificate that
ended before is refused. One that begins later may well be valid by now: the handshake is made again at the time of its
begin. Only while the time is SYNCED does the begin count too. What is kept never reaches a reading: decision 0128.
"""

from micropython import const
from wayside_wire.pack import SYNCED

from . import BUILT_MS
from .clock import is_possible
from .copies import Copies

_FORMAT = "<IQ"  # number of the writing, UTC in ms
_APART_MS = const(86400000)  # what is kept is written anew when it is so far from the time that it is
_PAUSE_MS = const(3600000)  # and never sooner than so long after the last try
_DOUBT_MS = const(86400000)  # refused for so long because of the time: it may be the time that is wrong


class CertificateTime:
    """For the one broker of a node. `context` is the TLS context whose handshakes it judges."""

    def __init__(self, context, files, path: str, clock, set_clock, report):
        """path: of two copies, `path`.0 and `path`.1; set_clock(utc_ms): of the board."""
        self.context = context
        context.verify_callback = self._see
        self._copies = Copies(files, path, _FORMAT)
        self._clock = clock
        self._set_clock = set_clock
        self._report = report
        self._number, self._kept_ms = self._copies.load() or (0, 0)
        self._keep_at = clock.now()
        self._at_ms = 0  # the time of this handshake
        self._begin_ms = 0  # the latest begin and the first end of its certificates
        self._end_ms = None
        self._refused_since = None
        self._told = False

    def begin(self) -> None:
        """A handshake follows."""
        self._handshake_at(self._certain_ms())
        if self._doubts_time() and not self._told:
            self._told = True
            self._report("mqtt: certificates refused for a day because of their time: the time may be what is wrong")

    def once_more(self) -> bool:
        """After a failed handshake: whether to try once more, at a time when all its certificates have begun."""
        if self._begin_ms <= self._at_ms or (self._clock.quality() == SYNCED and not self._doubts_time()):
            return False
        self._handshake_at(self._begin_ms)
        return True

    def failed(self) -> None:
        """No connection, for whatever reason."""
        if self._end_ms is None or self._begin_ms <= self._at_ms <= self._end_ms:
            return
        if self._refused_since is None:
            self._refused_since = self._clock.now()

    def connected(self) -> None:
        """The connection stands; call it as long as it does."""
        # Who got in because the time is in doubt: the gateway has the word now, and until then the doubt stays.
        if not self._doubts_time() or self._clock.quality() == SYNCED:
            self._refused_since = None
            self._told = False

    def keep_due(self) -> bool:
        """Whether keep() has something to write."""
        now_ms = self._clock.sure_utc()
        if now_ms is None or self._clock.quality() != SYNCED or self._clock.now() < self._keep_at:
            return False
        return abs(now_ms - self._kept_ms) >= _APART_MS

    def keep(self) -> None:
        """Make the time durable: writes flash, once a day while the node runs, and at a start after a day or more."""
        self._keep_at = self._clock.now() + _PAUSE_MS
        now_ms = self._clock.sure_utc()
        try:
            self._copies.store(self._number + 1, now_ms)
        except OSError as error:
            self._report("the time cannot be kept for the next start: %s; trying again in an hour" % error)
            return
        self._number += 1
        self._kept_ms = now_ms

    def _certain_ms(self) -> int:
        if self._doubts_time():
            return BUILT_MS
        sure_ms = self._clock.sure_utc()
        if sure_ms is not None:
            return sure_ms
        return self._kept_ms if is_possible(self._kept_ms) else BUILT_MS

    def _doubts_time(self) -> bool:
        return self._refused_since is not None and self._clock.now() - self._refused_since >= _DOUBT_MS

    def _handshake_at(self, utc_ms: int) -> None:
        self._at_ms = utc_ms
        self._begin_ms = 0
        self._end_ms = None
        self._set_clock(utc_ms)

    def _see(self, certificate, depth: int) -> int:
        """Called by the library for each certificate of the chain, before it says what it thinks of them."""
        try:
            begin_ms, end_ms = validity(certificate)
        except Exception:  # nothing may be raised through the library, which has looked at it before
            return 0
        self._begin_ms = max(self._begin_ms, begin_ms)
        self._end_ms = end_ms if self._end_ms is None else min(self._end_ms, end_ms)
        return 0


def validity(certificate):
    """(begin, end) of a certificate in DER, in UTC milliseconds (RFC 5280 section 4.1); ValueError, IndexError."""
    at, _ = _content(certificate, 0)  # Certificate
    at, _ = _content(certificate, at)  # TBSCertificate
    if certificate[at] == 0xA0:  # version
        _, at = _content(certificate, at)
    for _ in range(3):  # serialNumber, signature, issuer
        _, at = _content(certificate, at)
    at, _ = _content(certificate, at)
    _, behind = _content(certificate, at)
    return _time_ms(certificate, at), _time_ms(certificate, behind)


def _content(data: bytes, at: int):
    """(where the content of the element at `at` begins, where it ends), DER as in X.690 section 8.1."""
    size = data[at + 1]
    begin = at + 2
    if size >= 0x80:
        begin += size & 0x7F
        size = int.from_bytes(data[at + 2 : begin], "big")
    return begin, begin + size


def _time_ms(data: bytes, at: int) -> int:
    """RFC 5280 section 4.1.2.5: UTCTime (tag 23) has two digits of the year, 00 to 49 of this century."""
    begin, end = _content(data, at)
    text = bytes(data[begin:end]).decode()
    if data[at] == 23:
        text = ("20" if text[:2] < "50" else "19") + text
    if len(text) != 15 or text[14] != "Z":
        raise ValueError("no time")
    year, month = int(text[:4]), int(text[4:6])
    day, hour, minute, second = [int(text[place : place + 2]) for place in range(6, 14, 2)]
    return (((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000


def _days(year: int, month: int, day: int) -> int:
    """From 1970-01-01 on, in the Gregorian calendar: years that begin in March have the leap day at their end."""
    year -= month < 3
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
