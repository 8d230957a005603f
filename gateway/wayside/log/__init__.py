"""The append-only log: entries on disk, their Merkle tree, and the signed checkpoint that covers them.

`signed` keeps the last signed checkpoint in a file of its own, `cosigned` those that witnesses co-signed, `store` the
entries and tiles in SQLite, `tree` the tree over stored tiles, `reader` what can be asked, `log` the order in which all
of it becomes durable and what start-up finds, `retention` what may be erased and when; `tiles` lays the tree out as
paths, `tile_service` serves them.

Imports `evidence`, `net.http` and `text`. `intake`, `site`, `remote`, `south.lora`, `kinds`, `daemon`, `lab` and `cli`
import it; `north` imports its error only: a sink reads the log through a protocol.
"""

from .cosigned import keep_cosigned, read_cosigned
from .errors import LogError
from .log import Append, GapPlace, Log, PackPlace
from .reader import LogReader
from .store import ChainName, StoredEntry

__all__ = [
    "Append",
    "ChainName",
    "GapPlace",
    "Log",
    "LogError",
    "LogReader",
    "PackPlace",
    "StoredEntry",
    "keep_cosigned",
    "read_cosigned",
]
