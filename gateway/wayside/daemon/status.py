"""What the daemon tells about itself: one JSON object to whoever connects to a Unix socket in the state folder.

Nothing secret is in the object, and who may enter the state folder may ask. What is in it the parts say (`about`); no
kind of part is known here. `wayside status` reads it.
"""

import asyncio
import json
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wayside.daemon import unix_socket
from wayside.daemon.parts import Running, Thing
from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.parts.picture import Picture, draw
from wayside.runtime.supervise import Supervisor
from wayside.text.complaints import Complaints

_logger = logging.getLogger(__name__)

SOCKET = "status.sock"

_SEND_S = 5.0
_IN_A_LINE = 3  # problems

_complaints = Complaints(_logger)


@dataclass(frozen=True, slots=True)
class Parts:
    """What every gateway has, and the parts that run at the moment. `sections`: of the status, also empty ones."""

    committer: Committer
    belief: Belief
    running: Running
    supervisor: Supervisor
    sections: Sequence[str]

    def of(self, kind: type[Thing]) -> list[Thing]:
        """See Running.of."""
        return self.running.of(kind)

    @property
    def restarts(self) -> Counter[str]:
        return self.supervisor.restarts

    @property
    def failing(self) -> dict[str, str]:
        """Why a task does not run, by its name."""
        return self.supervisor.problems


def picture(parts: Parts) -> Picture:
    """What every part says now, without secrets: all that shows the gateway shows this."""
    return draw(parts.running.abouts(), parts.sections, partial(_complaints.say, with_trace=True))


def snapshot(parts: Parts) -> dict[str, Any]:
    """The picture as one JSON object."""
    return picture(parts).told()


def line(parts: Parts) -> str:
    """How the gateway is, in one line."""
    problems = [each.text for each in picture(parts).problems]
    told = [f"{parts.committer.size} entries", *problems[:_IN_A_LINE]]
    more = len(problems) - _IN_A_LINE
    return "; ".join([*told, f"{more} more problems"] if more > 0 else told)


async def serve_status(path: Path, tell: Callable[[], dict[str, Any]]) -> None:
    """Answer connections to `path` until cancelled."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(tell()).encode())
            async with asyncio.timeout(_SEND_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    await unix_socket.serve(path, answer)


def ask(path: Path) -> dict[str, Any]:
    """What the gateway that listens at `path` tells; OSError when none does, ValueError when it is cut."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(_SEND_S)
        link.connect(str(path))
        parts = []
        while part := link.recv(65536):
            parts.append(part)
    told: dict[str, Any] = json.loads(b"".join(parts))
    if "problems" not in told:
        raise ValueError("the gateway that runs is of another version")
    return told
