"""Ed25519 (RFC 8032) and X25519 (RFC 7748) in C."""

def ed25519_public_key(seed: bytes) -> bytes:
    """The 32-byte public key of a 32-byte seed."""

def ed25519_sign(seed: bytes, public: bytes, message: bytes) -> bytes:
    """64 bytes."""

def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """By the rule of docs/wire-format.md, "Signatures"; False for wrong lengths too."""

def x25519_public_key(secret: bytes) -> bytes:
    """The 32-byte public key of a 32-byte secret."""

def x25519_shared_secret(secret: bytes, public: bytes) -> bytes:
    """32 bytes; ValueError for a public key of small order, which would give zero."""
