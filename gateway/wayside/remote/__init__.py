"""A site file that comes over MQTT: signed by an operator, numbered, on trial, answered.

``messages`` are the signed statements, ``inbox`` judges and carries out what came, ``link`` is the connection, ``push``
the operator's side. What is promised: docs/remote.md. Imports `evidence`, `trust`, `log`, `net.mqtt`, `site` and
what everybody may; `kinds`, `daemon` and `cli` import it, `site` its table.
"""
