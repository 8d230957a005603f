"""Chooses the application before it starts: of a slot, or the image's own (wayside_node/slots.py)."""

import sys

loaded = set(sys.modules)

import board  # noqa: E402
from wayside_node.files import Files  # noqa: E402
from wayside_node.slots import Slots  # noqa: E402

slots = Slots(Files(board.sync, board.sync_directory))
slot = slots.choose()
if slot:
    if slots.on_trial(slot):
        board.watchdog(8388)  # from here on something has to run, and to feed it
    # Chosen by the image's own code; what is imported from here on is the slot's.
    for name in set(sys.modules) - loaded:
        del sys.modules[name]
    sys.path.insert(0, slot)
