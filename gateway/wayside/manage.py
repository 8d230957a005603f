"""Changes that are asked of the running gateway: one JSON object a line over a Unix socket in the state folder.

The socket's mode is 0600: who may enter is who may change the site. `wayside keys` asks here, and opens the log itself
when no gateway runs. Between `intake` and `trust`; only the daemon and `cli` use it.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wayside_wire.pack import key_id

from wayside import unix_socket
from wayside.commander import Commander, CommandError, answer_request
from wayside.evidence.entry import Kind
from wayside.evidence.keyring import REVOKED
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.log import LogError
from wayside.trust.changes import Request, bodies_for
from wayside.trust.registry import Doorkeeper, RegistryError, read_keyring

_ANSWER_S = 30.0

SOCKET = "manage.sock"


class KeyManager:
    """Changes the registry of a running gateway, one change at a time."""

    def __init__(
        self, committer: Committer, intake: Intake, door: Doorkeeper, site: str, nodes: Mapping[str, Sequence[str]]
    ):
        """`nodes`: each node's devices, as the site file has them."""
        self._committer = committer
        self._intake = intake
        self._door = door
        self._site = site
        self._nodes = nodes
        self._one_at_a_time = asyncio.Lock()

    async def change(self, request: Request) -> int:
        """How many entries it took, once they are durable; RegistryError or LogError when nothing was changed."""
        async with self._one_at_a_time:
            bodies = bodies_for(request, self._door.keyring, self._site, self._nodes)
            if not bodies:
                return 0
            size = self._committer.size
            ending = {key_id(body[0]) for body in bodies if body[3] == REVOKED}
            self._door.ending |= ending
            try:
                await self._intake.log_all(Kind.KEY, bodies)
                await self._committer.call(lambda log: read_keyring(log, self._door.keyring, size))
            finally:
                self._door.ending -= ending
            return len(bodies)


async def serve_manager(path: Path, manager: KeyManager, reload: Callable[[], None], commander: Commander) -> None:
    """Answer connections to `path` until cancelled. `reload`: asks the gateway to start again with its site file."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                told = await _do(manager, reload, commander, await reader.readline())
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # gone, too slow, or a line without an end
        finally:
            writer.close()

    await unix_socket.serve(path, answer, private=True)


async def _do(
    manager: KeyManager, reload: Callable[[], None], commander: Commander, line: bytes
) -> dict[str, Any]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise RegistryError("a JSON object is needed")
        if request.get("do") == "reload":
            reload()
            return {"ok": True, "entries": 0}
        if request.get("do") in ("nodes", "command"):
            return await answer_request(commander, request)
        return {"ok": True, "entries": await manager.change(request)}
    except (RegistryError, LogError, CommandError, json.JSONDecodeError) as error:
        return {"ok": False, "error": str(error)}


def ask(path: Path, request: Request) -> dict[str, Any] | None:
    """The answer of the gateway that listens at `path`; None when none does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps(dict(request)).encode() + b"\n")
        with connection.makefile("rb") as file:
            line = file.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"ok": False, "error": "the gateway gave no answer"}
    return answer
