"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

import sys

import esp32_chip

esp32_chip.watch_trial()
try:
    from wayside_node.__main__ import main

    status = main(["--config", "/node.json"])
except Exception as error:  # of an application on trial: whatever it is, there is another one
    sys.print_exception(error)
    status = 1
if status:
    esp32_chip.give_up()
