"""What travels between a node and the gateway, byte for byte.

Pure Python that runs unchanged on MicroPython and CPython: a deterministic CBOR subset, COSE structures over injected
keys, packs, frames for the serial link, link messages, exact decimals from registers (docs/wire-format.md); frames on
the air, airtime and BTHome (docs/lora.md); what a board has room for (docs/boards.md).

Anything may import this package; it imports nothing but what both interpreters have, and AES from whatever has it
(aes.py). No file, socket, clock or stored key is touched here.
"""


class WireError(ValueError):
    """Bytes that are not what the wire format allows. The text says what is wrong; nothing was accepted."""
