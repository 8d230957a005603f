"""A thermometer that answers "T?" with "T=21.5": asked once a second, an answer counts when it is whole and in time."""

from time import sleep_ms, ticks_diff, ticks_ms

from machine import UART

_PATIENCE_MS = 200
line = UART(1, 9600)


def ask():
    """The temperature; None: no answer, or no right one."""
    line.write(b"T?\n")
    answer = b""
    began = ticks_ms()
    while not answer.endswith(b"\n") and ticks_diff(ticks_ms(), began) < _PATIENCE_MS:
        answer += line.read() or b""
        sleep_ms(5)
    if answer.startswith(b"T=") and answer.endswith(b"\n"):
        try:
            return float(answer[2:])
        except ValueError:
            return None
    return None


while True:
    print("temperature", ask())
    sleep_ms(1000)
