"""The other end: subscribes to a site's verifiable MQTT, checks everything, and keeps the account of what arrived.

``account`` judges batches (``keys`` knows whose signatures count, ``history`` whether all belong to one), ``receive``
brings them from the broker, ``view`` turns the account into lines of text, ``screen`` puts those on a terminal.

May import ``evidence``, ``reading``, ``wayside_wire`` and of ``north`` what speaks MQTT. Only the demo and ``cli``
import this package.
"""
