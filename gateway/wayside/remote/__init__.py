"""A site file that comes over MQTT: signed by an operator, numbered, on trial, answered.

``messages`` are the signed statements, ``inbox`` judges and carries out what came, ``link`` is the connection, ``push``
the operator's side. What is promised: docs/remote.md. Imports `evidence`, `trust`, `north`, `site_history` and
`site_change`; only the daemon, `site_parts`, `service`, `status` and `cli` import this.
"""
