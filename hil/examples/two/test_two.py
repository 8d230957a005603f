import pytest
from wayside_hil.wire import connect


@pytest.mark.parametrize("count", [2], indirect=True)
def test_what_one_board_is_told_the_other_says(dut):
    left, right = dut
    connect(left.world, 0, right.world, 0)
    left.write("to the right")
    right.expect_exact("to the right")
    right.write("and to the left")
    left.expect_exact("and to the left")
