"""Commands to a node that has seen a number of the future: the gateway goes on above it, by what the node says."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from wayside.daemon.commander import Commander, CommandError
from wayside.evidence.kinds import CommandBody
from wayside.runtime.clock import SystemClock
from wayside.trust.keys import SoftwareKey
from wayside_node.counters import Counters
from wayside_node.files import Files
from wayside_node.manager import Manager
from wayside_wire import cbor, command, link
from wayside_wire.pack import key_id

KEY = SoftwareKey(bytes(range(32)))
KID = b"NODE-KID"
YEAR_2045_MS = 2_366_841_600_000


class Node:
    """A node's own end of its commands, on a link that loses nothing."""

    name, board, firmware, boot, connected, heard_s = "node-1", "", "", 1, True, None
    told: dict[str, int] = {}

    def __init__(self, folder: Path):
        self._counters = Counters(Files(lambda file: None, lambda path: None), str(folder / "counters"))
        self._counters.create()
        self.done = 0
        verbs = {command.INFO: self._info}
        self.manager = Manager(KID, KEY.public, lambda *_: True, self._counters, verbs)

    def _info(self) -> dict[int, int]:
        self.done += 1
        return {0: self.done}

    async def command(self, raw: bytes, number: int) -> link.CommandAnswer:
        return self.manager.answer(raw)  # type: ignore[no-any-return]

    def outcome(self, verb: str) -> str:
        return "done"

    def hear(self, number: int) -> link.CommandAnswer:
        """What a gateway with this number for its time is answered."""
        wanted = command.Command(KID, number, command.INFO, [])
        return self.manager.answer(command.sign_command(wanted, key_id(KEY.public), KEY.sign))  # type: ignore[no-any-return]


def commander(node: Any) -> Commander:
    async def record(body: CommandBody) -> None:
        pass

    return Commander(lambda: [node], KEY, lambda name: KID, SystemClock(), record)


def test_a_clock_that_was_wrong_once_locks_nobody_out(tmp_path: Path) -> None:
    node = Node(tmp_path)
    assert node.hear(YEAR_2045_MS).status == command.OK

    async def scenario() -> None:
        for _ in range(2):  # also a gateway that starts again, and knows nothing of it
            given = commander(node)
            for _ in range(2):
                assert cbor.decode(await given.give("node-1", command.INFO, [], "anna")) == {0: node.done}

    asyncio.run(scenario())
    assert node.done == 5
    assert node.hear(YEAR_2045_MS + 3).status == command.REPLAYED, "each had a number of its own"


@pytest.mark.parametrize("text", [b"number 7 is not above 6", b"number 7 is not above x", b"", b"\xff", b"9" * 400])
def test_a_node_that_refuses_for_ever_is_asked_twice_at_most(tmp_path: Path, text: bytes) -> None:
    class Stubborn(Node):
        asked = 0

        async def command(self, raw: bytes, number: int) -> link.CommandAnswer:
            self.asked += 1
            return link.CommandAnswer(number, command.REPLAYED, text)

    node = Stubborn(tmp_path)
    with pytest.raises(CommandError, match="node-1"):
        asyncio.run(commander(node).give("node-1", command.INFO, [], "anna"))
    assert node.asked <= 2
