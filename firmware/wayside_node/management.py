"""What the gateway may ask of the running node, and what the node says of itself without being asked."""

import asyncio
import gc
import time

from micropython import const
from wayside_wire import cbor, command, link
from wayside_wire.selftest import SelfTestCheck, SelfTestReport, sign_report

from . import FIRMWARE, selftest
from .manager import Manager

_COUNTERS_MS = const(60000)
_TRIAL_MS = const(10000)  # between two requests to be commanded, while the configuration is on trial
_REBOOT_MS = const(500)  # so that the answer is on its way
_LOG_SIZE = const(800)
_LOOK_S = const(12)  # for all meters; the gateway waits for 20 s
_COUNTERS_SIZE = const(880)  # bytes; an answer's data have 900, a message more


class Management:
    """The verbs of wayside_wire.command for one Node. `manager` does the commands."""

    def __init__(self, node, store, log):
        """store: the ConfigStore; log: the ReportLog."""
        self._node = node
        self._store = store
        self._log = log
        self._counters_at = node.clock.now() + _COUNTERS_MS
        self._asks = False  # for a command, as the counters that were sent last say
        self._reboot_at = None
        self._looked = []  # checks of the meters, for the self-test that is commanded at this moment
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
        """The link.CountersMessage to send now, None when it is not time."""
        node = self._node
        now = node.clock.now()
        asks = node.config_trial.asks and node.link.reached
        if asks == self._asks and now < self._counters_at:
            return None
        self._asks = asks
        self._counters_at = now + (_TRIAL_MS if asks else _COUNTERS_MS)
        return link.CountersMessage(self.counters())

    def reboot_due(self) -> bool:
        """Whether the board is to start again now."""
        return self._reboot_at is not None and self._node.clock.now() >= self._reboot_at

    def counters(self) -> dict:
        """{text: count} of what came and what went wrong since the start; zeros are left out."""
        node = self._node
        counts = {"storage errors": node.storage_errors, "files that flash refuses": len(node.files.refusals)}
        counts[command.ON_TRIAL] = 1 if node.config_trial.asks else 0
        counts["clock jumps"] = node.clock.jumps
        counts["clock times refused"] = node.clock.refused
        counts.update(node.link.counts)
        counts.update(node.orphans.counts)
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
                counts[task.device + ": journal refuses"] = 1 if task.journal.closed else 0
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

    async def look(self, raw: bytes) -> None:
        """Ask every meter, when `raw` is the command for the self-test: before it is done, with the lines free."""
        if not self.manager.is_new(raw, command.SELFTEST):
            return
        self._looked = []
        waiting = [(line, bus, meter) for line, bus in zip(self._node.config.buses, self._node.buses)
                   for meter in line.meters]  # fmt: skip
        try:
            await asyncio.wait_for(self._ask(waiting), _LOOK_S)
        except asyncio.TimeoutError:
            self._looked += [
                SelfTestCheck(meter.device, False, "no answer within %d s" % _LOOK_S) for _, _, meter in waiting
            ]

    async def _ask(self, waiting: list) -> None:
        while waiting:
            line, bus, meter = waiting[0]
            self._looked.append(await selftest.check_meter(meter, bus, line.baud, self._node.clock))
            waiting.pop(0)

    def _selftest(self) -> bytes:
        node = self._node
        checks = self.inspect() + self._looked
        self._looked = []
        for task in node.tasks.get("sensors", ()):
            checks += task.look()
        report = SelfTestReport(b"", node.board.NAME, FIRMWARE, node.boot, selftest.that_fit(checks))
        return sign_report(report, node.identity.kid, node.identity.sign)

    def _reboot(self) -> None:
        self._reboot_at = self._node.clock.now() + _REBOOT_MS


def _that_fit(counts: dict) -> dict:
    """Those that are not zero, as many as a message holds, the trial first; none larger than can be written."""
    found = {}
    for name in sorted(counts, key=lambda name: (name != command.ON_TRIAL, name)):
        if counts[name]:
            found[name[:64]] = min(counts[name], 0xFFFFFFFF)
            if len(cbor.encode(found)) > _COUNTERS_SIZE:
                found.pop(name[:64])
                break
    return found
