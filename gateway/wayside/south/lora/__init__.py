"""Sensors over LoRa: frames that a `radio` board hears become packs (docs/lora.md).

`plan` says what a site may send, `receiver` makes packs of frames, `store` keeps what must survive a reboot, `port`
talks to the radio board. May import `evidence`, `log` and what everybody may; only `kinds` and `cli` import
it, `site` its table.
"""
