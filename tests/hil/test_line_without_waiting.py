"""A line of the real image is read without waiting for what is on the wire: the node works while an answer comes."""

from wayside_hil.emulator import Emulator
from wayside_hil.repl import BoardRepl
from wayside_hil.wayside.meter_node import BUS_UART

_READ = """
import board, time
port = board.open_uart('rs485', 9600, 'N')
buffer = bytearray(64)
got, longest_us, end = 0, 0, time.ticks_add(time.ticks_ms(), 5000)
while got < 17 and time.ticks_diff(end, time.ticks_ms()) > 0:
    began = time.ticks_us()
    got += port.readinto(buffer) or 0
    longest_us = max(longest_us, time.ticks_diff(time.ticks_us(), began))
print(got, longest_us)
"""


def test_reading_takes_what_is_there_and_goes_on(pico: Emulator, repl: BoardRepl) -> None:
    pico.send_uart(BUS_UART, bytes(range(1, 18)), 9600, pico.now + 500_000_000)
    got, longest_us = map(int, repl.run(_READ).split())
    assert got == 17
    assert longest_us < 1000, "a character at 9600 baud takes as long"
