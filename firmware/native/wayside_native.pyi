"""Ed25519 (RFC 8032) in C."""

def ed25519_public_key(seed: bytes) -> bytes:
    """The 32-byte public key of a 32-byte seed."""

def ed25519_sign(seed: bytes, public: bytes, message: bytes) -> bytes:
    """64 bytes."""

def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """By the rule of docs/wire-format.md, "Signatures"; False for wrong lengths too."""
