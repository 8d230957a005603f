"""Both boards run this: what one hears on its UART it says, and what is typed at its console it sends."""

import sys
from select import POLLIN, poll
from time import sleep_ms

from machine import UART

line = UART(0, 115200)
typed = poll()
typed.register(sys.stdin, POLLIN)
while True:
    if typed.poll(0):
        line.write(sys.stdin.read(1))
    if heard := line.read():
        sys.stdout.write(heard)
    sleep_ms(1)
