"""The technician's steps on a board with a console. Each may be repeated; each says what it found."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from wayside_wire import WireError, enrol, selftest
from wayside_wire.pack import key_id

from wayside.evidence.ed25519 import verifies
from wayside.trust.registry import new_challenge

from .console import BoardConsole, ConsoleError

_SELFTEST_S = 120.0
_FULL = "OSError: 28"  # ENOSPC, as MicroPython says it


class StepError(Exception):
    """A step that failed; the text says what to look at on the board."""


class Enrolled(NamedTuple):
    """What a board proved."""

    public: bytes
    challenge: bytes
    proof: bytes


def check_name(console: BoardConsole, board: str) -> None:
    """Of a board that runs MicroPython, with our application or without. StepError when it is another board."""
    name = console.run("try:\n from board import NAME\nexcept ImportError:\n NAME=''\nprint(NAME)").strip()
    if name and name != board:
        raise StepError(f"this is a {name}, not a {board}")


def read_back(console: BoardConsole, content: bytes) -> None:
    """Compare the flash with what was written. StepError."""
    code = (
        "import hashlib, uctypes\n"
        f"print(hashlib.sha256(uctypes.bytearray_at(0x10000000, {len(content)})).digest().hex())"
    )
    if console.run(code).strip() != hashlib.sha256(content).hexdigest():
        raise StepError("the flash reads back other bytes than were written; write the image again")


def configure(console: BoardConsole, path: str, config: dict[str, Any], gateway: bytes | None) -> None:
    """Put the configuration onto the board, with the gateway's key in it, and have the board check it. StepError."""
    if gateway:
        config = config | {"gateway": gateway.hex()}
    try:
        console.write_file(path + ".try", json.dumps(config, separators=(",", ":")).encode())
    except ConsoleError as error:
        if _FULL not in str(error):
            raise
        raise StepError("the board's file system is full; make room by `mpremote resume fs rm`, try again") from None
    check = f"import os\nfrom wayside_node.roles import load\nload({path + '.try'!r})\n"
    try:
        console.run(check + f"os.rename({path + '.try'!r}, {path!r})")
    except ConsoleError as error:
        raise StepError(f"the board refuses the configuration: {error}") from None


def prove(console: BoardConsole, path: str, board: str) -> Enrolled:
    """Have the board make its key, where it has none, and prove that it holds it. StepError."""
    challenge = new_challenge()
    proof = _bytes(console, f"from wayside_node.technician import prove\nprove({path!r}, {challenge.hex()!r})")
    try:
        proven = enrol.open_proof(proof, challenge, verifies)
    except WireError as error:
        raise StepError(f"the board's proof does not hold: {error}") from None
    if proven.board != board:
        raise StepError(f"this is a {proven.board}, not a {board}")
    return Enrolled(proven.public, challenge, proof)


def test(console: BoardConsole, path: str, public: bytes, folder: Path, node: str) -> list[selftest.SelfTestCheck]:
    """The board's checks of itself; the signed report goes to NODE.selftest in `folder`. StepError."""
    challenge = new_challenge()
    code = f"from wayside_node.technician import report\nreport({path!r}, {challenge.hex()!r})"
    raw = _bytes(console, code, _SELFTEST_S)
    try:
        report, kid = selftest.open_report(raw, lambda _kid, signed, signature: verifies(public, signed, signature))
    except WireError as error:
        raise StepError(f"the self-test report does not hold: {error}") from None
    if report.challenge != challenge or kid != key_id(public):
        raise StepError("the self-test report is an older one, or another board's; try again")
    (folder / f"{node}.selftest").write_bytes(raw)
    return list(report.checks)


def _bytes(console: BoardConsole, code: str, patience_s: float = 30.0) -> bytes:
    try:
        said = console.run(code, patience_s).strip()
    except ConsoleError as error:
        raise StepError(f"the board says: {error}") from None
    try:
        return bytes.fromhex(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise StepError(f"the board says {said[-200:]!r}, which is no answer; is its image Wayside's?") from None
