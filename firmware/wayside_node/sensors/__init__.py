"""Sensors: for each chip one file with a pure decoder, tested on the host, and a driver over a UART, I2C bus or pin.

A driver has CHANNELS (lora_report.ReportChannel), step(), which never waits, and readings(now_ms). It keeps the
sensor's own status: a cold, silent or faulty sensor gives bad readings with the reason, never the value before. One
more sensor is one more file here (see `catalogue`). Imports wayside_wire and config; the node application imports it.
"""
