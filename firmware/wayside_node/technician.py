"""What a technician's tool has the board do over its console, before the application runs. Each prints one line."""

import asyncio
import time

import board
import wayside_native
from wayside_wire import enrol, selftest

from . import FIRMWARE
from . import selftest as checks
from .clock import NodeClock
from .files import Files
from .keys import open_identity
from .roles import load


def prove(path: str, challenge: str) -> None:
    """The proof that this board holds its key, for a challenge; both in hexadecimal. Without a key one is made.

    path: the configuration's.
    """
    identity = _identity(load(path))
    proof = enrol.make_proof(bytes.fromhex(challenge), identity.public, identity.sign, board.NAME, FIRMWARE, 0)
    print(proof.hex())


def report(path: str, challenge: str) -> None:
    """The signed self-test report, in hexadecimal; lines with their meters and the radio are in it, where there are
    such. What a board has beside its configuration is not looked at."""
    config = load(path)
    identity = _identity(config)
    files = Files(board.sync, board.sync_directory)
    found = checks.check_board(files, config.state, board.urandom, identity, wayside_native, time)
    if radio := getattr(config, "radio", None):
        import board_lora  # not on every board

        chip = getattr(config, "chip", {})
        found.append(checks.check_radio(lambda: board_lora.open_modem(radio, chip)))
    asyncio.new_event_loop()  # without the tasks of an application that was interrupted: they would go on with this one
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, 0)
    for line in getattr(config, "buses", ()):
        found += asyncio.run(checks.check_line(line, board, clock))
    found = checks.that_fit(found)
    made = selftest.SelfTestReport(bytes.fromhex(challenge), board.NAME, FIRMWARE, identity.counters.boot, found)
    print(selftest.sign_report(made, identity.kid, identity.sign).hex())


def _identity(config):
    return open_identity(Files(board.sync, board.sync_directory), config.state, wayside_native, board.urandom)
