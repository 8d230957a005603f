"""What a stranger needs to check what a gateway says; this package alone is the stand-alone verifier.

* what is written: `kinds` (bodies of entries), `stream`, `entry`, `heads`, `note` (checkpoints), `origin`, `merkle`;
  `bundle`, `batch`, `proof`, `fraud` and `fraud_batches` are the files and messages that carry it, `fields` reads the
  long ones field by field
* whose word counts: `ed25519`, `certificate`, `keyring`, `policy`, `epoch`
* the judgement: `look` (each entry by itself), `chain` and `judge` (entries together: the one judge of all),
  `checkpoint` and `assurance` (whose), `verify` (a file), `settlement` (energy), `finding` (in words)

Imports `wayside_wire` and `cryptography`, and nothing of the gateway. Every room that writes, forwards or checks
evidence may import it.
"""


class EvidenceError(ValueError):
    """Evidence that does not hold or cannot be read; the text says which part and why."""
