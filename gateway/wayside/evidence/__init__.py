"""What a stranger needs to check what a gateway says: tree, notes, entries, batches, bundles and the verifier.

Imports `wayside_wire`, `cbor2` and `cryptography`, and nothing of the gateway, so that this package alone is the
stand-alone verifier. `log`, `north`, `receiver`, `daemon` and `cli` may import it.
"""


class EvidenceError(ValueError):
    """Evidence that does not hold or cannot be read; the text says which part and why."""
