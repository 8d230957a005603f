"""Sensors over Bluetooth Low Energy: what they advertise becomes readings.

`scanner` is our own small protocol, `bleak_scanner` fills it with the package bleak, `watch` keeps one scanning for
years, `receiver` decodes BTHome v2, `environment` the Environmental Sensing Service. May import
`south.lora.store` and what everybody may; only `kinds` and `cli` import it, `site` its table.
"""
