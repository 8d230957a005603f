"""The gateway of Wayside: what it reads, its evidence log, control and sinks. The rooms: docs/design.md.

Arrows point one way. `values`, `text`, `runtime`, `net`, `settings` and `parts` serve everybody; `south`, `intake` and
`north` do not know each other and are tied by `kinds`, which only `daemon` imports, and only `cli` imports `daemon`.
`evidence` stands below everything and imports nothing of the gateway, so that a stranger can verify a bundle with that
one package and `wayside_wire`.
"""
