"""What travels between a node and the gateway, byte for byte.

Pure Python that runs unchanged on MicroPython and CPython: a deterministic CBOR subset, COSE structures over injected
keys, packs, frames for the serial link, link messages, exact decimals from registers. Formats: docs/wire-format.md.

Anything may import this package; it imports nothing but what both interpreters have. No file, socket, clock or key is
touched here.
"""


class WireError(ValueError):
    """Bytes that are not what the wire format allows. The text says what is wrong; nothing was accepted."""
