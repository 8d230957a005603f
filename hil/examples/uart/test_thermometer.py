import pytest


@pytest.fixture
def thermometer(plants):
    plants.thermometer.reply = lambda heard: b"T=21.5\n" if heard.endswith(b"T?\n") else b""
    return plants.thermometer


def test_an_answer_is_read(dut, thermometer):
    dut.expect_exact("temperature 21.5")
    assert thermometer.heard.startswith(b"T?\n")


@pytest.mark.parametrize("answer", [b"", b"T=21.5", b"T=2\xff.5\n", b"x\n"])
def test_a_bad_answer_is_no_temperature(dut, thermometer, answer):
    thermometer.reply = lambda heard: answer
    dut.expect_exact("temperature None")


def test_it_comes_back_after_silence(dut, thermometer):
    answer = thermometer.reply
    thermometer.reply = lambda heard: b""
    dut.expect_exact("temperature None")
    thermometer.reply = answer
    dut.expect_exact("temperature 21.5")
