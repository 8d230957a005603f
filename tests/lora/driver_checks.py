"""Our radio roles on micropython-lib's SX127x driver over a modelled SX1276. Run in the VM by test_lora_driver.py."""

import driver_bench
from driver_bench import Bench, sx1276
from wayside_hil.lora.air import Air
from wayside_node.radio_config import RadioSettings


def test_settings_and_airtime():
    driver_bench.check_airtime(sx1276)
    for sf in (7, 12):
        chip, _ = sx1276(Air(), RadioSettings("EU868", 869525, sf, 125000))
        assert chip.registers[0x1E] >> 4 == sf
        assert chip.registers[0x1E] & 4, "the CRC is on"


def test_both_roles_on_the_driver():
    driver_bench.check_both_ways(Bench("both76", sx1276, sx1276))
