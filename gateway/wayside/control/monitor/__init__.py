"""The independent monitor of a junction's signals: its own process, matrix, key and line, and no code of `signals`.

Imports `wayside_wire`, `control.head_line`, `control.journal`, `evidence` and `text.reason`; only `cli` imports it.
"""
