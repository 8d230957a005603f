import pytest


@pytest.mark.parametrize("after_us", [0, 350, 30_000])
@pytest.mark.parametrize("operation", range(3))
def test_no_start_is_forgotten(dut, board, operation, after_us):
    """The supply fails so long after the beginning of one of the flash operations (erase, program) of the write."""
    dut.expect_exact("start 1")
    board.cut_power_in_flash(operation, after_us * 1000)
    dut.start()
    dut.run_for(0.5)
    dut.start()
    assert dut.expect(r"start ([23])\r").group(1)
