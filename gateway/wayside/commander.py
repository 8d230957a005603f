"""Commands of the gateway to its nodes: signed with its key, numbered, one after the other to each node.

Between `south` and `manage`; only the daemon and `manage` use it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wayside_wire import command, link
from wayside_wire.pack import key_id

from wayside.clock import Clock
from wayside.south.nodes import NoAnswer, NodeLink
from wayside.trust.keys import SigningKey


class CommandError(Exception):
    """A command that cannot be given, or that the node did not do; the text says why."""


KeyIdOf = Callable[[str], bytes | None]
"""The key id of the key that a node holds now, None when it holds none."""


class Commander:
    """Gives commands to the nodes of one gateway."""

    def __init__(self, links: Sequence[NodeLink], key: SigningKey, kid_of: KeyIdOf, clock: Clock):
        self._links = {each.name: each for each in links}
        self._key = key
        self._kid_of = kid_of
        self._clock = clock
        self._last: dict[str, int] = {}

    def nodes(self) -> list[dict[str, Any]]:
        """What is known of each node without asking it."""
        now = self._clock.monotonic()
        return [
            {
                "name": each.name,
                "board": each.board,
                "firmware": each.firmware,
                "boot": each.boot,
                "connected": each.connected,
                "silent_s": None if each.heard_s is None else round(now - each.heard_s, 1),
                "key_id": (self._kid_of(each.name) or b"").hex(),
                "counts": each.told,
            }
            for each in self._links.values()
        ]

    async def give(self, node: str, verb: str, arguments: Sequence[object]) -> bytes:
        """The data of the node's answer, CBOR as wayside_wire.command has it; CommandError unless it is done."""
        line = self._links.get(node)
        if line is None:
            raise CommandError(f"no node {node}; there are: {', '.join(sorted(self._links)) or 'none'}")
        kid = self._kid_of(node)
        if kid is None:
            raise CommandError(f"{node} holds no key that counts; type: wayside keys enrol")
        number = max(self._clock.utc_ms(), self._last.get(node, 0) + 1)
        self._last[node] = number
        try:
            wanted = command.Command(kid, number, verb, list(arguments))
            raw = command.sign_command(wanted, key_id(self._key.public), self._key.sign)
        except ValueError as error:
            raise CommandError(str(error)) from None
        try:
            answer = await line.command(raw, number)
        except NoAnswer as error:
            raise CommandError(str(error)) from None
        return self._data(node, answer)

    def _data(self, node: str, answer: link.Answer) -> bytes:
        if answer.status == command.OK:
            return bytes(answer.data)
        said = answer.data.decode("ascii", "replace")
        if answer.status == command.REPLAYED:
            raise CommandError(f"{node}: {said}: this gateway's clock is behind; set it right and try again")
        if answer.status == command.REFUSED:
            needed = f'"gateway": "{self._key.public.hex()}"'
            raise CommandError(f"{node} takes no command of this gateway ({said}); its configuration needs {needed}")
        raise CommandError(f"{node}: {said}")


async def answer_request(commander: Commander, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to {"do": "nodes"}, or to {"do": "command", "node", "verb", "arguments"}: bytes in hexadecimal."""
    if request.get("do") == "nodes":
        return {"ok": True, "nodes": commander.nodes()}
    node, verb, arguments = request.get("node"), request.get("verb"), request.get("arguments")
    if not isinstance(node, str) or not isinstance(verb, str) or not isinstance(arguments, list):
        raise CommandError("node, verb and arguments are needed")
    try:
        decoded = [bytes.fromhex(each) if isinstance(each, str) else each for each in arguments]
    except ValueError:
        raise CommandError("bytes are written in hexadecimal") from None
    return {"ok": True, "data": (await commander.give(node, verb, decoded)).hex()}
