"""The bench's gateway takes what the real one would, and nothing else."""

from typing import Any

from wayside.trust.keys import SoftwareKey
from wayside_hil.board import Board
from wayside_hil.wayside.gateway import LinkGateway
from wayside_wire import link
from wayside_wire.pack import GOOD, NO_PREVIOUS, SYNCED, Pack, Reading, key_id, sign_pack

NODE, OTHER = SoftwareKey(bytes(range(1, 33))), SoftwareKey(bytes(range(2, 34)))
CONFIG: dict[str, Any] = {"node": "node-1", "meters": [{"device": "meter-1"}], "sensors": {"device": "site"}}


class Listener(LinkGateway):
    """`said`: kinds of what it answers; a refusal by its code."""

    def __init__(self) -> None:
        super().__init__(Board())
        self.said: list[Any] = []

    def send(self, message: object) -> None:
        self.said.append(message.code if isinstance(message, link.Error) else type(message).__name__)

    def offer(self, device: str, sequence: int = 0, key: SoftwareKey = NODE) -> Any:
        pack = Pack(device, 1, sequence, SYNCED, NO_PREVIOUS, [Reading("door", "1", 1, 0, GOOD, "", 0)])
        self._pack(link.PackMessage(1, sequence, sign_pack(pack, key_id(key.public), key.sign)), 0, 0)
        return self.said[-1]


def test_whose_packs_count() -> None:
    gateway = Listener()
    assert gateway.offer("meter-1") == link.REFUSED, "nobody is enrolled"
    gateway.enrol(NODE.public, CONFIG)
    assert gateway.offer("meter-1") == gateway.offer("site") == "Ack"
    assert gateway.offer("meter-2") == link.UNKNOWN_DEVICE
    assert gateway.offer("meter-1", 1, OTHER) == link.REFUSED, "another's key"
    gateway.enrol(NODE.public, CONFIG | {"meters": [{"device": "meter-2"}]})
    assert gateway.offer("meter-1", 2) == link.UNKNOWN_DEVICE and gateway.offer("meter-2") == "Ack"
    gateway.revoke()
    assert gateway.offer("meter-2", 1) == link.REFUSED and "revoked" in gateway.refused[-1]
