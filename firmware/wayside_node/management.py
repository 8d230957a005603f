"""What the gateway may ask of the running node, and what the node says of itself without being asked."""

import gc
import time

from micropython import const
from wayside_wire import cbor, command, link
from wayside_wire.selftest import MAX_TEXT, Check, Report, sign_report

from . import FIRMWARE, selftest
from .manager import Manager

_COUNTERS_MS = const(60000)
_REBOOT_MS = const(500)  # so that the answer is on its way
_LOG_SIZE = const(800)
_COUNTERS_SIZE = const(880)  # bytes; an answer's data have 900, a message more


class Management:
    """The verbs of wayside_wire.command for one Node. `manager` does the commands."""

    def __init__(self, node, store, log):
        """store: the ConfigStore; log: the ReportLog."""
        self._node = node
        self._store = store
        self._log = log
        self._counters_at = node.clock.now() + _COUNTERS_MS
        self._reboot_at = None
        verbs = {
            command.INFO: self._info,
            command.COUNTERS: self.counters,
            command.LOG: self._lines,
            command.CONFIG_READ: self._config_read,
            command.CONFIG_WRITE: store.write,
            command.CONFIG_USE: store.use,
            command.SELFTEST: self._selftest,
            command.REBOOT: self._reboot,
        }
        identity = node.identity
        verify = node.ed25519.ed25519_verify
        self.manager = Manager(identity.kid, node.config.gateway, verify, identity.counters, verbs)

    def counters_due(self):
        """The link.Counters to send now, None when it is not time."""
        if self._node.clock.now() < self._counters_at:
            return None
        self._counters_at = self._node.clock.now() + _COUNTERS_MS
        return link.Counters(self.counters())

    def reboot_due(self) -> bool:
        """Whether the board is to start again now."""
        return self._reboot_at is not None and self._node.clock.now() >= self._reboot_at

    def counters(self) -> dict:
        """{text: count} of what came and what went wrong since the start; zeros are left out."""
        node = self._node
        counts = {"storage errors": node.storage_errors}
        counts["clock jumps"] = node.clock.jumps
        counts["clock times refused"] = node.clock.refused
        counts.update(node.link.counts)
        counts.update(self.manager.counts)
        for name, count in node.supervisor.restarts.items():
            counts["restarts of " + name] = count
        for number, bus in enumerate(node.buses):
            for name, count in bus.guard.counts.items():
                counts["bus %d: %s" % (number, name)] = count
        for tasks in node.tasks.values():
            for task in tasks:
                counts[task.device + ": packs dropped"] = task.journal.dropped
                counts[task.device + ": packs corrupt"] = task.journal.corrupt
        return _that_fit(counts)

    def _info(self) -> dict:
        node = self._node
        gc.collect()
        return {
            0: node.config.node,
            1: node.board.NAME,
            2: FIRMWARE,
            3: node.boot,
            4: node.clock.now(),
            5: gc.mem_free(),
            6: selftest.free_storage(node.config.state),
            7: node.clock.quality(),
        }

    def _lines(self, first: int) -> list:
        return list(self._log.read(first, _LOG_SIZE))

    def _config_read(self, offset: int) -> list:
        return list(self._store.read(offset, command.PIECE))

    def inspect(self) -> list:
        """The checks of the board itself."""
        node = self._node
        return selftest.check_board(
            node.files, node.config.state, node.board.urandom, node.identity, node.ed25519, time
        )

    def _selftest(self) -> bytes:
        node = self._node
        checks = self.inspect()
        # The lines are the application's: what it sees of meters and sensors is the check.
        for port, tasks in node.tasks.items():
            silent = [task.device for task in tasks if not task.good]
            text = "silent: " + ", ".join(silent) if silent else "%d devices answer" % len(tasks)
            checks.append(Check(port[-MAX_TEXT:], not silent, text[:MAX_TEXT]))
        report = Report(b"", node.board.NAME, FIRMWARE, node.boot, checks)
        return sign_report(report, node.identity.kid, node.identity.sign)

    def _reboot(self) -> None:
        self._reboot_at = self._node.clock.now() + _REBOOT_MS


def _that_fit(counts: dict) -> dict:
    """Those that are not zero, as many as a message holds, none larger than it can be written."""
    found = {}
    for name in sorted(counts):
        if counts[name]:
            found[name[:64]] = min(counts[name], 0xFFFFFFFF)
            if len(cbor.encode(found)) > _COUNTERS_SIZE:
                found.pop(name[:64])
                break
    return found
