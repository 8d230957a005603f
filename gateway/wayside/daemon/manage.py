"""Changes that are asked of the running gateway: one JSON object a line over a Unix socket in the state folder.

The socket's mode is 0600: who may enter is who may change the site. `wayside keys` asks here, and opens the log itself
when no gateway runs. Between `intake` and `trust`; only the daemon and `cli` use it.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wayside_wire.pack import key_id

from wayside.daemon import unix_socket
from wayside.daemon.beginnings import Beginnings
from wayside.daemon.commander import Commander, CommandError, answer_request
from wayside.daemon.desk import ASK, WITHDRAW, Desk
from wayside.daemon.time_word import Time
from wayside.evidence.kinds import REVOKED, Key
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.intake.journal import CONFIGURATION, announcement
from wayside.log import LogError
from wayside.parts.part import BeginningError
from wayside.runtime.clock import Clock
from wayside.runtime.machine_user import peer_name
from wayside.text import json_text
from wayside.trust.changes import Request, bodies_for
from wayside.trust.registry import Doorkeeper, Holder, RegistryError, align, read_keyring

_logger = logging.getLogger(__name__)

_ANSWER_S = 30.0

SOCKET = "manage.sock"


class KeyManager:
    """Changes the registry of a running gateway, one change at a time."""

    def __init__(
        self,
        committer: Committer,
        intake: Intake,
        door: Doorkeeper,
        clock: Clock,
        site: str,
        nodes: Mapping[str, Sequence[str]],
    ):
        """`nodes`: each node's devices, as the site file has them."""
        self._committer = committer
        self._intake = intake
        self._door = door
        self._clock = clock
        self._site = site
        self.nodes = nodes
        self._one_at_a_time = asyncio.Lock()

    async def change(self, request: Request) -> int:
        """How many entries it took, once they are durable; RegistryError or LogError when nothing was changed."""
        async with self._one_at_a_time:
            bodies = bodies_for(request, self._door.keyring, self._site, self.nodes)
            if not bodies:
                return 0
            size = self._committer.size
            ending = {key_id(body.public) for body in bodies if body.event == REVOKED}
            self._door.ending |= ending
            try:
                await self._intake.log_all(bodies)
                await self._committer.call(lambda log: read_keyring(log, self._door.keyring, size))
            finally:
                self._door.ending -= ending
            return len(bodies)

    def check(self, holders: Iterable[Holder]) -> tuple[list[Key], list[str]]:
        """As `align`, for a site file with these holders; RegistryError when it would end a key.

        A key that has ended never comes back, and a site file may be taken back.
        """
        bodies, remarks = align(self._door.keyring, holders)
        ending = [body.holder for body in bodies if body.event == REVOKED]
        if ending:
            then = "type: wayside keys replace, or stop the gateway and start it with the new file"
            raise RegistryError(f"another public_key for {', '.join(ending)} would end the one before; {then}")
        return bodies, remarks

    async def announce(self, configuration: bytes, holders: Sequence[Holder]) -> None:
        """Log a site file that is taken up, by its SHA-256, with the keys that it brings; errors as `change`."""
        async with self._one_at_a_time:
            bodies, remarks = self.check(holders)
            for remark in remarks:
                _logger.warning("keys: %s", remark)
            size = self._committer.size
            noted = await self._committer.call(lambda log: log.note(CONFIGURATION))
            await self._committer.append(announcement(noted, self._clock, configuration, bodies))
            await self._committer.call(lambda log: read_keyring(log, self._door.keyring, size))


async def serve_manager(
    path: Path,
    manager: KeyManager,
    reload: Callable[[], None],
    commander: Commander,
    counts: Beginnings,
    time: Time,
    desk: Desk,
) -> None:
    """Answer connections to `path` until cancelled. `reload`: asks the gateway to take up its site file."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                who = peer_name(writer.get_extra_info("socket"))
                told = await _do(manager, reload, commander, counts, time, desk, who, await reader.readline())
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # gone, too slow, or a line without an end
        finally:
            writer.close()

    await unix_socket.serve(path, answer, private=True)


async def _do(
    manager: KeyManager,
    reload: Callable[[], None],
    commander: Commander,
    counts: Beginnings,
    time: Time,
    desk: Desk,
    who: str,
    line: bytes,
) -> dict[str, Any]:
    try:
        request = json_text.read(line)
        if not isinstance(request, dict):
            raise RegistryError("a JSON object is needed")
        if request.get("do") == "reload":
            reload()
            return {"ok": True, "entries": 0}
        if request.get("do") in ("nodes", "command"):
            return await answer_request(commander, request)
        if request.get("do") in ("beacons", "accept beacon"):
            return await counts.answer(request)
        if request.get("do") in ("clock", "confirm clock"):
            return await time.answer(request)
        if request.get("do") in (ASK, WITHDRAW):
            return desk.answer(request, f"user {who} of this machine")
        return {"ok": True, "entries": await manager.change(request)}
    except (RegistryError, LogError, CommandError, BeginningError, ValueError) as error:
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
