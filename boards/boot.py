"""The watchdog first; then the choice of the application: of a slot, or the image's own (wayside_node/slots.py)."""

import care

care.begin()

import rp2040  # noqa: E402

rp2040.choose_application()
