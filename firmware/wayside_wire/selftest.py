"""A board's report on itself, signed by its own key: what was looked at, what was found, for which challenge."""

from collections import namedtuple

from . import WireError
from .cbor import is_int
from .statement import open_statement, sign_statement
from .text import is_printable

CONTENT_TYPE = "application/wayside-selftest"
MAX_TEXT = 64
MAX_CHECKS = 10

SelfTestCheck = namedtuple("SelfTestCheck", ("name", "good", "text"))
"""good: True, False, or None for a part that is not there. text: what was found."""

SelfTestReport = namedtuple("SelfTestReport", ("challenge", "board", "firmware", "boot", "checks"))
"""challenge: up to 32 bytes of who asked, empty when nobody did; boot: number of the boot, 0 before the first."""


def sign_report(report: SelfTestReport, kid: bytes, sign) -> bytes:
    """The signed report; ValueError for one that open_report() would refuse."""
    wrong = _wrong(report)
    if wrong:
        raise ValueError("selftest: " + wrong)
    return sign_statement(CONTENT_TYPE, kid, report, sign)


def open_report(raw: bytes, verify):
    """(SelfTestReport, key id) of bytes that `verify(kid, message, signature) -> bool` accepts; WireError otherwise."""

    def check(kid, fields, message, signature):
        return verify(kid, message, signature)

    kid, fields = open_statement(raw, CONTENT_TYPE, 5, check)
    wrong = _wrong(SelfTestReport(*fields))
    if wrong:
        raise WireError("selftest: " + wrong)
    challenge, board, firmware, boot, checks = fields
    return SelfTestReport(challenge, board, firmware, boot, [SelfTestCheck(*each) for each in checks]), kid


def _wrong(report) -> str:
    """What is wrong with a report, empty when nothing is."""
    if not (isinstance(report.challenge, bytes) and len(report.challenge) <= 32):
        return "a challenge has 32 bytes at most"
    if not (is_printable(report.board, 128) and is_printable(report.firmware, 128)):
        return "board and firmware are printable ASCII of at most 128 characters"
    if not (is_int(report.boot) and 0 <= report.boot < 0x100000000):
        return "the boot number is not an unsigned 32-bit integer"
    if not (isinstance(report.checks, (list, tuple)) and 0 < len(report.checks) <= MAX_CHECKS):
        return "a report has 1 to %d checks" % MAX_CHECKS
    for each in report.checks:
        if not (isinstance(each, (list, tuple)) and len(each) == 3):
            return "a check is a name, whether it is good, and a text"
        if not (is_printable(each[0], MAX_TEXT) and is_printable(each[2], MAX_TEXT)):
            return "name and text of a check are printable ASCII of at most %d characters" % MAX_TEXT
        if each[1] is not True and each[1] is not False and each[1] is not None:
            return "a check is good, not good, or absent"
    return ""
