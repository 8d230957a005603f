"""A site file that comes over MQTT: signed by an operator, numbered, on trial, answered.

``messages`` are the signed statements, ``inbox`` judges and carries out what came, ``link`` is the connection, ``push``
the operator's side, ``table`` the table of the site file. What is promised: docs/remote.md. Imports `evidence`, `log`,
`trust`, `net.mqtt`, `site` and what everybody may; only `cli`, `daemon` and `kinds` import it, `site` its table.
"""
