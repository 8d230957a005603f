"""Keys and who they belong to.

Imports ``wayside_wire`` and ``cryptography`` only. ``log``, ``south`` and ``daemon`` may import it.
"""
