"""The other end: subscribes to a site's verifiable MQTT, checks everything, and keeps the account of what arrived.

``account`` judges batches (with ``intervals`` and ``chain`` for what is missing or twice), ``receive`` brings them from the
broker, ``view`` turns the account into lines of text, ``screen`` puts those on a terminal.

May import ``evidence``, ``reading``, ``north.broker``, ``north.session`` and ``wayside_wire``. It shares nothing with the
gateway that it checks but formats. Only the demo and ``cli`` import this package.
"""
