"""Sinks: where the log is forwarded, each from its own cursor. The promise they keep: docs/delivery.md.

``sink`` holds the nouns and the two protocols (a sink: two methods; the log as a sink sees it), ``forward`` the loop
that drives any sink, ``session`` one MQTT connection, ``mqtt`` the verifiable and the plain MQTT sink, ``embedded``
the broker of ``wayside demo``.

May import ``reading``, ``evidence``, ``wayside_wire`` and paho, and of ``log`` its error: the log itself comes in as a
``LogReader``. Never ``south`` or ``control``. Only the daemon, the demo, the receiver and ``cli`` import this package.
"""
