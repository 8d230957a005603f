"""Changes that are asked of the running gateway: one JSON object a line over a Unix socket in the state folder.

The socket's mode is 0600: who may enter is who may change the site. `wayside keys` asks here, and opens the log itself
when no gateway runs. Between `intake` and `trust`; only the daemon and `cli` use it.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wayside_wire.pack import key_id

from wayside.daemon import unix_socket
from wayside.evidence.kinds import REVOKED, KeyBody
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.intake.journal import CONFIGURATION, announcement
from wayside.log import LogError
from wayside.parts.part import BeginningError
from wayside.runtime.clock import Clock
from wayside.runtime.machine_user import peer_name
from wayside.text import json_text
from wayside.trust.changes import WORDS, Request, bodies_for
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

    def handlers(self) -> "dict[str, Handler]":
        """For `serve_manager`."""

        async def change(request: Request, who: str) -> dict[str, Any]:
            return {"ok": True, "entries": await self.change(request)}

        return dict.fromkeys(WORDS, change)

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

    def check(self, holders: Iterable[Holder]) -> tuple[list[KeyBody], list[str]]:
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
            await self._committer.commit(announcement(noted, self._clock, configuration, bodies))
            await self._committer.call(lambda log: read_keyring(log, self._door.keyring, size))


Handler = Callable[[Mapping[str, Any], str], Awaitable[dict[str, Any]]]
"""The answer to a request of somebody, in words; what it raises of _REFUSED is the answer, too."""

_REFUSED = (RegistryError, LogError, BeginningError, ValueError)


async def serve_manager(path: Path, handlers: Mapping[str, Handler]) -> None:
    """Answer connections to `path` until cancelled. handlers: by what a request wants to `do`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                who = f"user {peer_name(writer.get_extra_info('socket'))} of this machine"
                told = await _do(handlers, await reader.readline(), who)
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # gone, too slow, or a line without an end
        finally:
            writer.close()

    await unix_socket.serve(path, answer, private=True)


async def _do(handlers: Mapping[str, Handler], line: bytes, who: str) -> dict[str, Any]:
    try:
        request = json_text.read(line)
        if not isinstance(request, dict):
            raise ValueError("a JSON object is needed")
        do = request.get("do")
        if not isinstance(do, str) or do not in handlers:
            raise ValueError(f"{do!r} is nothing that can be done; there are: {', '.join(sorted(handlers))}")
        return await handlers[do](request, who)
    except _REFUSED as error:
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
