"""Configurations on their way to nodes on the air: offered in each answer until the node says what became of them.

An order survives reboots of the gateway. What came of it is in the log before the node is answered, so that a node
whose word did not become durable says it again.
"""

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from wayside_wire import lora_config as wire

from wayside.south.lora.store import LoraStore, OrderRow

OFFERED, SETTLED = 0, 1
"""State of an order: in every answer to this node; its end is known, and in the log."""

Record = Callable[[str, str, bytes], Awaitable[object]]
"""(node, what came of it, the signed command) -> done when that is durable in the log."""


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """payload: as it goes over the air; command: as the gateway signed it."""

    version: int
    payload: bytes
    state: int
    command: bytes

    def row(self, node: int) -> OrderRow:
        return (node, self.version, self.payload, self.state, self.command)


_NOTHING = NodeOrder(0, b"", SETTLED, b"")


class Orders:
    """Of the nodes of one network."""

    def __init__(self, store: LoraStore, record: Record):
        self._store = store
        self._record = record
        self._orders: dict[int, dict[int, NodeOrder]] = {}  # by node and version
        for row in store.orders():
            self._orders.setdefault(row[0], {})[row[1]] = NodeOrder(*row[1:])
        self._told = {node: wire.decode_status(payload) for node, payload in store.statuses().items()}

    def of(self, node: int) -> NodeOrder:
        """The last one."""
        orders = self._orders.get(node, {})
        return orders[max(orders)] if orders else _NOTHING

    def kept(self, node: int) -> bytes | None:
        """The configuration that the node said to have in force; empty: its own file; None: not known here."""
        told = self._told.get(node)
        if told is None or not told.version:
            return None if told is None else b""
        payload = self._orders.get(node, {}).get(told.version, _NOTHING).payload
        return payload if wire.digest_of(payload) == told.digest else None

    def told(self, node: int) -> wire.AirStatus | None:
        """What the node last said of itself."""
        return self._told.get(node)

    def next_version(self, node: int) -> int:
        """One that neither this gateway nor the node has ever used."""
        told = self._told.get(node)
        return 1 + max(self.of(node).version, *((told.version, told.tried) if told else (0,)))

    def due(self, node: int) -> bytes:
        """What the next answer to this node should carry."""
        order = self.of(node)
        told = self._told.get(node)
        if order.state != OFFERED or (told and told.tried == order.version):
            return b""
        return order.payload

    async def give(self, node: int, name: str, version: int, payload: bytes, command: bytes) -> None:
        """Let the node have this configuration; one that is still on its way gives way."""
        before = self.of(node)
        if before.state == OFFERED:
            await self._record(name, f"version {before.version} replaced by version {version}", before.command)
            await self._keep(node, replace(before, state=SETTLED))
        await self._keep(node, NodeOrder(version, payload, OFFERED, command))

    async def heard(self, node: int, name: str, status: wire.AirStatus, payload: bytes) -> None:
        """The node's word on itself, in the bytes `payload`; durable on return."""
        order = self.of(node)
        outcome = _outcome(order, status) if order.state == OFFERED else None
        if outcome:
            await self._record(name, outcome, order.command)
            await self._keep(node, replace(order, state=SETTLED))
        before = self._told.get(node)
        if before and before.version and not status.version:
            await self._record(name, f"version {before.version} is gone: the node is back to its own file", b"")
        await to_thread(self._store.put_status, node, payload)
        self._told[node] = status

    async def _keep(self, node: int, order: NodeOrder) -> None:
        await to_thread(self._store.put_order, order.row(node))
        self._orders.setdefault(node, {})[order.version] = order


def _outcome(order: NodeOrder, status: wire.AirStatus) -> str | None:
    """What became of the order, None while that is open."""
    name = f"version {order.version}"
    if status.version == order.version:
        if status.digest == wire.digest_of(order.payload):
            return f"{name} is in force, SHA-256 begins {status.digest.hex()}"
        return f"the node has another {name}, SHA-256 begins {status.digest.hex()}"
    if max(status.version, status.tried) > order.version:
        return f"{name} comes too late: the node knows version {max(status.version, status.tried)}"
    if status.tried == order.version and status.outcome == wire.ROLLED_BACK:
        return f"{name} was tried and rolled back: the node heard nobody, or started again"
    if status.tried == order.version and status.outcome == wire.REFUSED:
        return f"{name} was refused: it is not for this node's channels"
    return None
