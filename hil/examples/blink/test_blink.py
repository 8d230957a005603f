from statistics import median


def test_the_lamp_blinks_twice_a_second(dut, plants, board):
    dut.expect_exact("lamp 1")
    dut.run_for(5)
    periods_ms = [period / 1e6 for period in plants.led.periods_ns()]
    if board.real_time:  # a computer that has other things to do, too
        assert 400 < median(periods_ms) < 600
    else:
        assert len(periods_ms) >= 9
        assert all(499 < period < 505 for period in periods_ms)


def test_the_prompt_answers(dut):
    dut.expect_exact("lamp 1")
    dut.write(b"\x03")
    dut.expect_exact(">>> ")
    dut.write("print(6 * 7)")
    dut.expect_exact("42")
