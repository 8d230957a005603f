"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

import sys

import rp2040

try:
    from wayside_node.radio_app import main

    status = main(["--config", "/node.json"])
except Exception as error:  # of a slot's application: whatever it is, there is another one
    sys.print_exception(error)
    status = 1
if status:
    rp2040.give_up()
