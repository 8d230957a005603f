"""A site's energy: a core that no request can make unsafe, and strategies around it that only ask.

`assets` says what can be commanded, `limits` what may flow and when a limit ends, `cycle` what goes into the core and
comes out of it. `core` is the pure transition function of one cycle (a second), put together of `meter` (what the grid
meter is worth), `reserve` (what an asset's energy and state allow), `steady` (how often it may turn back) and `share`
(who gives way to a limit). `writes` says in which order a set-point gets to a device. `record`, `replay` and `why` are
its memory; `strategies` ask.

Whole numbers only: watts (import and consumption positive), watt-hours, milliseconds of a clock that never jumps.
Imports `evidence` and what everybody may.
"""
