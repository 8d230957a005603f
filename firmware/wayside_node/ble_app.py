"""The role `beacon`: `micropython -m wayside_node.ble_app --config FILE [--public-key]`."""

import asyncio
import gc
import sys
import time

import board
import wayside_native
from micropython import const
from wayside_wire import command

from . import FIRMWARE, ble_gatt, selftest
from .bench import Bench
from .ble_config import check, load
from .clock import NodeClock
from .command_line import parse, say, started
from .config_store import ConfigStore, load_or_fall_back
from .config_trial import ConfigTrial
from .files import Files
from .judge import judged
from .keys import open_identity
from .last_resort import LastResort
from .manager import Manager
from .radio_ble import Beacon
from .sensors.catalogue import open_sensors
from .supervisor import NodeSupervisor
from .trial import FirmwareTrial

_DEADLINE_MS = const(60000)
_CHECK_MS = const(500)
_STEP_MS = const(20)
_REBOOT_MS = const(2000)  # so that the answer is on its way
_KEEP_MS = const(60000)  # a new configuration with which the node has run for so long is kept


def main(arguments) -> int:
    """Exit status: 0 done, 1 the configuration or identity cannot be used, 2 wrong usage."""
    asked = parse(arguments, "wayside_node.ble_app")
    if asked is None:
        return 2
    path, public_key = asked
    files = Files(board.sync, board.sync_directory)
    files.report = say
    store = ConfigStore(files, path, judged(board, files, check), load, tried=True)
    return started(lambda: _run(files, store, path, public_key), store)


def _run(files, store, path: str, public_key: bool) -> None:
    settings = load_or_fall_back(path, say, load) if public_key else store.begin(say)
    identity = open_identity(files, settings.state, wayside_native, board.urandom)
    if public_key:
        print(identity.public.hex())
        return
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, 0)
    asyncio.run(BleNode(settings, identity, clock, files, store).run())


class BleNode:
    """A board whose sensors are told by Bluetooth alone: no packs, and no time but its own."""

    def __init__(self, settings, identity, clock, files, store):
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._reboot_at = None
        keep_at = clock.now() + _KEEP_MS
        self._trial = ConfigTrial(store, 2 * _KEEP_MS, lambda: clock.now() >= keep_at, clock, say, board.reset)
        self._drivers, self._channels = open_sensors(settings.sensors, board, clock, files, settings.state)
        self._boot = identity.counters.next_boot()
        self._resort = LastResort(files, settings.state + "/restarts", clock, say, board.reset)
        self._supervisor = NodeSupervisor(
            clock, lambda: board.watchdog(settings.watchdog_ms), say, self._resort, self._trial
        )

        def inspect():
            return selftest.check_board(files, settings.state, board.urandom, identity, wayside_native, time)

        trial = FirmwareTrial(board.trial(), inspect, clock, say)
        self._supervisor.add("trial", trial.run, _DEADLINE_MS)
        self._supervisor.add("last resort", self._resort.run, _DEADLINE_MS)
        self._bench = None
        if settings.bench is not None:
            contact = settings.bench.contact and board.open_pin(settings.bench.contact)
            verbs = {
                command.INFO: self._info,
                command.COUNTERS: self._counters,
                command.CONFIG_READ: lambda offset: list(store.read(offset, command.PIECE)),
                command.CONFIG_WRITE: store.write,
                command.CONFIG_USE: store.use,
                command.REBOOT: self._reboot,
            }
            self._manager = Manager(
                identity.kid, settings.gateway, wayside_native.ed25519_verify, identity.counters, verbs
            )
            self._bench = Bench(clock, settings.bench.after_start_ms, contact, self._manager)

        def is_held():
            return self._trial.on or trial.is_pending() or (self._bench is not None and self._bench.is_on())

        self._resort.is_held = is_held

    async def run(self) -> None:
        """Until cancelled, or until the watchdog has its way."""
        services = ble_gatt.GattServices(self._channels) if self._bench else None
        beacon = Beacon(ble_gatt.address(), self._settings.key, self._identity.counters.next_frame)
        radio = ble_gatt.GattRadio(self._settings.node, beacon, self._bench, services, self._resort.served)
        self._supervisor.add("sensors", self._sensor_runner(beacon, services), _DEADLINE_MS)
        self._supervisor.add("beacon", radio.advertise, _DEADLINE_MS)
        if self._bench:
            self._supervisor.add("bench", radio.serve, _DEADLINE_MS)
        say("beacon %s: boot %d" % (self._settings.node, self._boot))
        await self._supervisor.run(_CHECK_MS)

    def _sensor_runner(self, beacon, services):
        async def run(beat):
            due = self._clock.now()
            while True:
                beat()
                for driver in self._drivers:
                    driver.step()
                now = self._clock.now()
                if now >= due:
                    readings = [reading for driver in self._drivers for reading in driver.readings(now)]
                    beacon.take(readings)
                    if services:
                        services.show(readings)
                    due = now + self._settings.report_ms
                if self._trial.is_won():
                    self._trial.keep()
                if self._reboot_at is not None and now >= self._reboot_at:
                    board.reset()
                await self._clock.sleep_ms(_STEP_MS)

        return run

    def _info(self) -> dict:
        gc.collect()
        return {
            0: self._settings.node,
            1: board.NAME,
            2: FIRMWARE,
            3: self._boot,
            4: self._clock.now(),
            5: gc.mem_free(),
            6: selftest.free_storage(self._settings.state),
            7: self._clock.quality(),
        }

    def _counters(self) -> dict:
        counts = dict(self._manager.counts)
        counts.update(self._bench.counts)
        for name, count in self._supervisor.restarts.items():
            counts["restarts of " + name] = count
        return counts

    def _reboot(self) -> None:
        self._reboot_at = self._clock.now() + _REBOOT_MS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
