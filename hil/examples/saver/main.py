"""Counts its starts in a file that a power cut must not lose: the new one is whole before it has the old one's name."""

import os
from time import sleep_ms

_FILE, _NEW = "starts", "starts.new"


def read():
    try:
        with open(_FILE) as file:
            return int(file.read())
    except OSError:
        return 0


def write(count):
    with open(_NEW, "w") as file:
        file.write(str(count))
    os.rename(_NEW, _FILE)


count = read() + 1
write(count)
while True:
    print("start", count)
    sleep_ms(100)
