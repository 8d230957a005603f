"""What the log has beside the place of a pack that comes late."""

from wayside_wire import WireError
from wayside_wire.pack import open_pack

from wayside.evidence import EvidenceError
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import PackBody
from wayside.intake.order import Beside, Head
from wayside.log import ChainName, Log


def find_beside(log: Log, chain: ChainName, boot: int, sequence: int) -> Beside:
    """The chain's packs next to a place that has none."""
    before, after = log.packs_beside(chain, boot, sequence)
    named = _previous_of(log, after[1]) if after else b""
    with_end = log.is_named_lost(chain, boot, sequence, with_end=True)
    return Beside(Head(*before[0]) if before else None, Head(*after[0]) if after else None, named, with_end)


def _previous_of(log: Log, index: int) -> bytes:
    """The hash that the pack in an entry names as its predecessor's; empty where the entry is erased or damaged."""
    (record,) = log.records(index, 1)
    try:
        body = decode_entry(record.entry).body
        return bytes(open_pack(body.raw, lambda *_: True)[0].previous) if isinstance(body, PackBody) else b""
    except (EvidenceError, WireError):
        return b""
