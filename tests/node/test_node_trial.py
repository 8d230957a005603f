"""An application is kept after a minute in which it ran, when the board finds itself well."""

from fakes import Time
from wayside_node.trial import FirmwareTrial
from wayside_wire.selftest import SelfTestCheck

GOOD = [SelfTestCheck("memory", True, "x"), SelfTestCheck("air", None, "no radio")]
BAD = [SelfTestCheck("memory", True, "x"), SelfTestCheck("flash", False, "cannot write")]


class Case:
    def __init__(self, keep=True):
        self.time = Time()
        self.kept = 0
        self.said = []
        self.found = GOOD
        self.error = None
        self.trial = FirmwareTrial(self.keep if keep else None, lambda: self.found, self.time.clock(), self.said.append)

    def keep(self):
        if self.error:
            raise self.error
        self.kept += 1

    def pass_ms(self, ms):
        self.time.advance(ms)


def test_it_is_kept_once_after_a_minute():
    case = Case()
    case.pass_ms(59999)
    assert not case.trial.is_due()
    case.pass_ms(1)
    assert case.trial.is_due()
    case.trial.judge()
    case.pass_ms(600000)
    assert not case.trial.is_due()
    assert case.kept == 1 and not case.said


def test_what_is_wrong_is_said_and_looked_at_again():
    case = Case()
    case.found = BAD
    case.pass_ms(60000)
    case.trial.judge()
    assert case.kept == 0 and "flash: cannot write" in case.said[0]
    assert not case.trial.is_due()
    case.pass_ms(60000)
    case.found = GOOD
    case.error = OSError(28)
    case.trial.judge()
    assert case.kept == 0 and len(case.said) == 2
    case.pass_ms(60000)
    case.error = None
    case.trial.judge()
    assert case.kept == 1


def test_nothing_to_keep_is_never_due():
    case = Case(keep=False)
    case.pass_ms(1 << 20)
    assert not case.trial.is_due()
