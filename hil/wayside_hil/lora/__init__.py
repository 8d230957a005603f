"""LoRa chips and the air between them, for CPython and MicroPython. Imports wayside_wire."""
