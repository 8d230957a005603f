"""What the daemon tells about itself: one JSON object to whoever connects to a Unix socket in the state folder.

Nothing secret is in the object, and who may enter the state folder may ask. `wayside status` reads it.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayside.certificates import Certificates, told
from wayside.clock import Clock
from wayside.daemon import unix_socket
from wayside.daemon.backlog import Backlog
from wayside.daemon.cosigning import Cosigning
from wayside.daemon.journal_feed import JournalFeed
from wayside.daemon.parts import Running
from wayside.daemon.radios import Bluetooth, Lora
from wayside.image import ProcessImage
from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.intake.intake import Intake
from wayside.north.forward import Forwarder
from wayside.redact import redact_all
from wayside.remote.inbox import Inbox
from wayside.remote.link import RemoteLink
from wayside.south.adapters import ReadBy
from wayside.south.modbus import Bus, Device
from wayside.south.nodes import NodeLink
from wayside.supervise import Supervisor

SOCKET = "status.sock"

_SEND_S = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Whoever has something to tell: what every gateway has, and the parts that run at the moment."""

    origin: str
    clock: Clock
    committer: Committer
    intake: Intake
    image: ProcessImage
    belief: Belief
    running: Running
    supervisor: Supervisor

    @property
    def restarts(self) -> Counter[str]:
        return self.supervisor.restarts

    @property
    def failing(self) -> dict[str, str]:
        """Why a task does not run, by its name."""
        return self.supervisor.problems

    def certificates(self) -> list[dict[str, Any]]:
        return told(self.running.of(Certificates), self.clock.utc_ms(), self.clock.time_quality())

    @property
    def cosigning(self) -> Cosigning | None:
        return next(iter(self.running.of(Cosigning)), None)

    @property
    def links(self) -> list[NodeLink]:
        return self.running.of(NodeLink)

    @property
    def buses(self) -> list[Bus]:
        return self.running.of(Bus)

    @property
    def forwarders(self) -> list[Forwarder]:
        return self.running.of(Forwarder)

    @property
    def backlogs(self) -> list[Backlog]:
        return self.running.of(Backlog)

    @property
    def journals(self) -> list[JournalFeed]:
        return self.running.of(JournalFeed)


def snapshot(parts: Parts) -> dict[str, Any]:
    """Counters and states of every part, as they are now, without secrets: all that shows the status shows this."""
    told: dict[str, Any] = redact_all(_snapshot(parts))
    return told


def _snapshot(parts: Parts) -> dict[str, Any]:
    committer = parts.committer
    return {
        "log": {
            "origin": parts.origin,
            "size": committer.size,
            "commits": committer.groups,
            "failures": committer.failures,
            "problem": committer.problem,
        },
        "witnesses": {
            name: {
                "cosigned": standing.size,
                "cosigned_ms": standing.cosigned_ms,
                "last_error": standing.error,
                "unshown_claims": standing.claims,
            }
            for cosigning in parts.running.of(Cosigning)
            for name, standing in cosigning.standings.items()
        },
        "intake": dict(parts.intake.counters),
        "nodes": {
            link.name: {
                "board": link.board,
                "firmware": link.firmware,
                "connected": link.connected,
                "silent_s": None if link.heard_s is None else round(parts.clock.monotonic() - link.heard_s, 1),
                "counters": dict(link.counters),
            }
            for link in parts.links
        },
        "buses": {
            bus.name: {
                "connects": bus.connects,
                "last_error": bus.last_error,
                "devices": {device.name: _device(device) for device in bus.devices.values()},
            }
            for bus in parts.buses
        },
        "sinks": {
            forwarder.name: {
                "connected": forwarder.status.connected,
                "delivered": forwarder.status.delivered,
                "lag": forwarder.lag(committer.size),
                "failures": forwarder.status.failures,
                "dead_letters": forwarder.status.dead_letters,
                "held": forwarder.status.held,
                "refused": dict(forwarder.status.refused),
                "unproven": forwarder.status.unproven,
                "doubt": forwarder.status.doubt,
                "not_announced": forwarder.not_announced,
                "last_error": forwarder.status.last_error,
            }
            for forwarder in parts.forwarders
        },
        "journals": {each.name: {"taken": each.taken, "problem": each.problem} for each in parts.journals},
        "backlogs": {
            backlog.name: {
                "lag": backlog.lag,
                "lost": {str(epoch): why for epoch, why in backlog.lost.items()},
                "refused": dict(backlog.status.refused),
                "unproven": backlog.status.unproven,
            }
            for backlog in parts.backlogs
        },
        "radios": {each.name: each.status() for each in parts.running.of(Lora)},
        "bluetooth": {each.name: each.status() for each in parts.running.of(Bluetooth)},
        "environment": {
            device: dict(poller.counters)
            for each in parts.running.of(Bluetooth)
            for device, poller in each.polled.items()
        },
        "no_value": parts.image.without_value(),
        "adapters": {each.device: dict(each.adapter.counters) for each in parts.running.of(ReadBy)},
        **_remote(parts),
        "certificates": parts.certificates(),
        "clock": parts.belief.problem,
        "restarts": dict(parts.restarts),
        "failing": dict(parts.failing),
    }


def _remote(parts: Parts) -> dict[str, Any]:
    """How operators reach the gateway, where they can."""
    for link in parts.running.of(RemoteLink):
        [inbox] = parts.running.of(Inbox)
        about = {"connected": link.is_connected, "last_error": link.last_error, "requests": dict(inbox.counters)}
        return {"remote": about}
    return {}


def line(parts: Parts) -> str:
    """How the gateway is, in one line."""
    devices = [device for bus in parts.buses for device in bus.devices.values()]
    dead = [device.name for device in devices if device.unreachable]
    size = parts.committer.size
    away = [f"{each.name} ({each.lag(size)} behind)" for each in parts.forwarders if not each.status.connected]
    told = [f"{size} entries", f"{len(devices) - len(dead)} of {len(devices)} polled devices answer"]
    if parts.committer.problem:
        told.insert(0, f"NOTHING IS STORED: {parts.committer.problem}")
    if parts.failing:
        told.append(f"do not run: {', '.join(sorted(parts.failing))}")
    if away:
        told.append(f"not connected: {', '.join(away)}")
    return "; ".join(told)


def _device(device: Device) -> dict[str, Any]:
    counts = device.statistics
    p99_s = counts.answer_p99_s()
    return {
        "unreachable": device.unreachable,
        "polls": counts.polls,
        "good_polls": counts.good_polls,
        "skipped_polls": counts.skipped_polls,
        "requests": counts.requests,
        "failures": dict(counts.failures),
        "answer_p99_ms": None if p99_s is None else round(1000 * p99_s, 1),
        "last_good_ms": counts.last_good_ms,
    }


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
    return told
