"""What the self-test says of a meter, and how it is made to fit."""

from wayside_node.selftest import check_readings, decimal, that_fit
from wayside_wire.pack import BAD, GOOD, Reading
from wayside_wire.selftest import MAX_CHECKS, MAX_TEXT, SelfTestCheck, SelfTestReport, open_report, sign_report


def reading(channel, mantissa, exponent=-3, reason=""):
    return Reading(channel, "V", mantissa, exponent, BAD if mantissa is None else GOOD, reason, 0)


def test_a_value_that_was_seen_is_said_with_it():
    cases = (
        ([reading("a", 230123)], True, "1 of 1 good; a 230.123 V"),
        ([reading("a", None, reason="exception 2"), reading("b", -5)], True, "1 of 2 good; b -0.005 V; a: exception 2"),
        ([reading("a", None, reason="timeout")], False, "0 of 1 good: timeout"),
    )
    for readings, good, text in cases:
        assert check_readings("meter-1", readings) == SelfTestCheck("meter-1", good, text)
    long = check_readings("meter-1", [reading("x" * 48, 1), reading("y", None, reason="no value" * 20)])
    assert len(long.text) == MAX_TEXT


def test_decimal():
    assert [decimal(*each) for each in ((0, 0), (0, -2), (5, 2), (-1234, -2), (7, -4))] == [
        "0", "0.00", "500", "-12.34", "0.0007",
    ]  # fmt: skip


def test_any_number_of_meters_fits_and_a_bad_one_is_never_left_out_without_a_word():
    for count in range(1, 40):
        for bad in ((), (count - 1,), range(count)):
            checks = [SelfTestCheck("m%d" % number, number not in bad, "x" * MAX_TEXT) for number in range(count)]
            found = that_fit(checks)
            report = SelfTestReport(b"", "UNIX", "0.1", 1, found)
            raw = sign_report(report, b"KID-KID-", lambda message: bytes(64))
            assert len(raw) < 890 and len(found) <= MAX_CHECKS
            assert open_report(raw, lambda *_: True)[0].checks == found
            assert any([each.good is False for each in found]) == bool(bad)
            assert found == checks or found[-1].name == "others"
