"""Chooses the application before it starts: of a slot, or the image's own (wayside_node/slots.py)."""

import rp2040

rp2040.choose_application()
