"""The other end: subscribes to a site's verifiable MQTT, checks everything, and keeps the account of what arrived.

``account`` judges what came of a site (``log_account`` of one log, ``stretch`` its entries in their order, ``keys``
with the keys that were given), ``receive`` brings it from the broker, ``view`` turns the account into lines of text,
``screen`` puts those on a terminal.

May import ``evidence``, ``net.mqtt``, what everybody may, and of ``north`` the topics. Only the demo and ``cli`` import
this package.
"""
