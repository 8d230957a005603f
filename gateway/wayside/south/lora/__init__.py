"""Sensors over LoRa: frames that a `radio` board hears become packs (docs/lora.md).

`plan` says what a site may send, `receiver` makes packs of frames, `store` keeps what must survive a reboot, `port`
talks to the radio board. May import reading, clock and wayside_wire; only daemon and cli import it.
"""
