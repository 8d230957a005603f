"""The gateway of Wayside: south adapters, the evidence log, control and sinks.

Arrows point one way: ``south -> reading <- log <- north``, ``control -> image``, ``cli`` and ``daemon`` import
everything, only ``cli`` imports ``daemon``. ``evidence`` stands below ``log`` and imports nothing of the gateway, so
that a stranger can verify a bundle with that one package and ``wayside_wire``.
"""
