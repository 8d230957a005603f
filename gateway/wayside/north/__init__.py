"""Sinks: where the log is forwarded, each from its own cursor. The promise they keep: docs/delivery.md.

``sink`` holds the nouns and the two protocols (a sink: two methods; the log as a sink sees it), ``forward`` the loop
that drives any sink, ``tls`` certificates. ``session`` is one MQTT connection, with ``client`` (what paho lacks),
``driver`` (paho in the event loop), ``inlet`` (bounds) and ``answers`` (reason codes); ``echo`` knows what an
acknowledgement is worth. ``report`` is what a pack in the log says, typed; each sink makes its own text or bytes of it,
as ``json_report`` does for some. ``mqtt``, ``homeassistant`` (with ``discovery``) and ``webhook`` are sinks; ``sinks``
has a file for each kind of them, ``sink_table`` is the table of the site file. ``embedded`` is the broker of the demo.

May import ``reading``, ``about``, ``expected``, ``evidence``, ``endpoint``, ``threads``, ``reason``, ``printable``,
``wayside_wire``, paho and cryptography, what a table of the site file is made of (``part``, ``client``,
``config_values``, ``toml_file``), and of ``log`` its error: the log itself comes in as a ``LogReader``. Never ``south``
or ``control``. Only the daemon and its parts, the demo, the receiver, ``remote`` and ``cli`` import this package, and
``config`` and ``secret_files`` its table.
"""
