"""What a bus says about itself."""

from wayside.south.modbus.about import _Rate, trouble
from wayside_wire.modbus import NEVER_SILENT


def test_a_line_that_is_never_silent_has_a_connection():
    assert trouble(NEVER_SILENT).startswith("is never silent, so nothing can be asked")
    assert trouble("No such file or directory") == "has no connection: No such file or directory"


def test_a_rate_is_that_of_the_last_seconds_and_unknown_where_nobody_looked():
    rate = _Rate()
    assert rate.at(100.0, 50) is None and rate.at(100.5, 55) is None
    assert rate.at(102.0, 70) == 10.0
    for second in range(103, 140):
        last = rate.at(float(second), 70)
    assert last == 0.0 and rate.at(1000.0, 500) is None
