"""What is wrong with a bus, in one clear sentence."""

from wayside.web.recorder import bus_trouble
from wayside_wire.modbus import NEVER_SILENT


def test_a_line_that_is_never_silent_has_a_connection():
    assert bus_trouble(NEVER_SILENT).startswith("is never silent, so nothing can be asked")
    assert bus_trouble("No such file or directory") == "has no connection: No such file or directory"
