"""The wiring of a node: who polls, who packs, who sends, and what they share."""

import gc
from asyncio import Lock

from micropython import const
from wayside_wire.session import NodeEnd, NodeIdentity

from . import FIRMWARE
from .bus import MeterBus
from .config import ConfigError, MqttLink
from .config_trial import ConfigTrial
from .journal import PackJournal
from .keys import open_identity
from .last_resort import LastResort
from .link import NodeLinkEnd
from .management import Management
from .meter import Meter
from .meter_memory import MeterState
from .meter_task import MeterTask
from .orphans import Orphans
from .packer import Packer
from .sensor_task import SensorTask
from .supervisor import NodeSupervisor, said
from .trial import FirmwareTrial

_ENOSPC = const(28)  # which MicroPython's errno has not
_LINK_STEP_MS = const(5)
_DEADLINE_MS = const(60000)
_CHECK_MS = const(500)
# What a configuration of the largest size takes to be looked at and written, several times over.
_LONG_MS = const(30000)
_MANAGER_STEP_MS = const(50)
_SENSOR_STEP_MS = const(20)
_WATCH_STEP_MS = const(500)
_MQTT_BAUD = const(9600)  # a network that takes as long as such a line; acknowledgements are waited for accordingly


class FlashGate:
    """`async with gate:` no bus transaction is open and none begins: flash may be written.

    On some boards a write stops interrupts, and the UART loses bytes. What is done meanwhile may take longer than the
    watchdog waits: nothing is awaited in it.
    """

    def __init__(self, locks, busy):
        """busy(ms): the board feeds its watchdog by itself for so long at most; 0: no more."""
        self._locks = locks
        self._busy = busy

    def open(self) -> bool:
        """Whether flash may be written now, up to the next await."""
        return not any([lock.locked() for lock in self._locks])

    def do(self, step) -> None:
        """step(), at once: where the gate is open."""
        self._busy(_LONG_MS)
        try:
            step()
        finally:
            self._busy(0)

    async def __aenter__(self):
        for lock in self._locks:
            await lock.acquire()
        self._busy(_LONG_MS)

    async def __aexit__(self, *error):
        self._busy(0)
        for lock in self._locks:
            lock.release()


class BusTurn:
    """Who has the meters of a bus: `lock` is held by the task that polls them, or by who speaks for them meanwhile."""

    def __init__(self):
        self.lock = Lock()
        self.why_down = ""  # what the bus's task died of last


class Node:
    """Everything that runs on one board."""

    def __init__(self, config, board, ed25519, clock, files, jitter, report, store):
        """board: boards/<BOARD>/board.py; report: a ReportLog; store: the ConfigStore of `config`."""
        self._board = board
        self._clock = clock
        self._report = report
        self.storage_errors = 0
        files.report = report
        identity = open_identity(files, config.state, ed25519, board.urandom)
        drivers = []
        if config.sensors:
            from .sensors.catalogue import open_sensors  # and the drivers: not for those who only read meters

            drivers, _ = open_sensors(config.sensors.rows, board, clock, files, config.state)
        devices = [meter.device for bus in config.buses for meter in bus.meters]
        if config.sensors:
            devices.append(config.sensors.device)
        self.orphans = Orphans(files, config.state, devices, config.journal_bytes, clock, report)
        journals = {}
        boot = 1
        for device in devices:
            board.busy(_LONG_MS)
            path = "%s/journal/%s" % (config.state, device)
            arguments = files, path, config.journal_bytes, self.orphans.make_room
            try:
                journal = self._written(journals, PackJournal, *arguments)
            except OSError:  # for this device alone: the others are not to pay for it
                journal = PackJournal(*arguments, patient=True)
            journals[device] = journal
            if journal.closed:
                report("journal of %s: %s; trying again with every report" % (device, journal.closed))
            boot = max(boot, journal.head.boot + 1)
        self.boot = boot = self._written(journals, identity.counters.next_boot, boot)
        self.config = config
        self.board = board
        self.clock = clock
        self.files = files
        self.identity = identity
        self.ed25519 = ed25519
        about = NodeIdentity(boot, board.NAME, FIRMWARE)
        end = NodeEnd(identity.public, identity.sign, config.gateway, ed25519, board.urandom, about)
        mqtt = isinstance(config.link, MqttLink)
        self.link = NodeLinkEnd(_MQTT_BAUD if mqtt else config.link.baud, clock, end, jitter, report)
        self.orphans.attach(self.link)
        self.buses = []
        self.tasks = {}  # port -> [MeterTask]; "sensors" -> [SensorTask]
        self.config_trial = ConfigTrial(
            store, config.trial_ms, lambda: self.management.manager.has_obeyed, clock, report, board.reset
        )
        self.resort = LastResort(files, config.state + "/restarts", clock, report, board.reset)
        self.link.on_served = self.resort.served
        self.supervisor = NodeSupervisor(
            clock, lambda: board.watchdog(config.watchdog_ms), report, self.resort, self.config_trial
        )
        for line in config.buses:
            bus = MeterBus(line.baud, clock, board.driver(line.port), 10 if line.parity == "N" else 11, line.pause_ms)
            self.buses.append(bus)
            tasks = []
            for settings in line.meters:
                board.busy(_LONG_MS)
                journal = journals[settings.device]
                packer = Packer(settings.device, boot, journal, identity, clock)
                meter = Meter(settings, bus, line.baud, clock, report)
                memory = MeterState(files, config.state, settings.device, journal)
                try:
                    memory.settle(meter.place(line.port), boot)
                except OSError as error:  # then the next boot finds it new again
                    self.storage_errors += 1
                    report("place of %s: %s" % (settings.device, error))
                if not memory.is_new:
                    meter.restore(memory.serial, *memory.counts(settings.profile.fields))
                tasks.append(MeterTask(settings, meter, packer, journal, clock, memory))
                self.link.add(settings.device, journal)
            self.tasks[line.port] = tasks
            turn = BusTurn()
            self.supervisor.add("bus " + line.port, self._bus_runner(line, bus, tasks, turn), _DEADLINE_MS)
            self.supervisor.add("watch over " + line.port, self._watch_runner(tasks, turn), _DEADLINE_MS)
        if config.sensors:
            journal = journals[config.sensors.device]
            packer = Packer(config.sensors.device, boot, journal, identity, clock)
            task = SensorTask(config.sensors, drivers, packer, journal, clock)
            self.link.add(task.device, journal)
            self.tasks["sensors"] = [task]
            self.supervisor.add("sensors", self._sensor_runner(task), _DEADLINE_MS)
        self._gate = FlashGate([bus.lock for bus in self.buses], board.busy)
        if mqtt:
            from .mqtt_port import MqttPort  # and its sockets: not on boards without a network

            tls = self._tls() if config.link.tls else None
            name, servers = identity.kid.hex(), board.name_servers
            port = MqttPort(config.link, name, clock, report, self._gate, jitter, servers, tls)
            port.on_connect = lambda: self.link.attach(port)
            self.supervisor.add("mqtt", port.run, _DEADLINE_MS)
            if board.open_station is not None:
                from .wifi import Wifi

                wifi = Wifi(board.open_station, files, clock, report, jitter)
                self.supervisor.add("wifi", wifi.run, _DEADLINE_MS)
            self.supervisor.add("link", self._link_runner(lambda: port), _DEADLINE_MS)
        else:
            self.supervisor.add("link", self._link_runner(self._open_link_port), _DEADLINE_MS)
        self.management = Management(self, store, report)
        self._trial = FirmwareTrial(board.trial(), self.management.inspect, clock, report)
        self.resort.is_held = lambda: self.config_trial.on or self._trial.is_pending()
        self.resort.is_closed = self._is_closed
        self.supervisor.add("manager", self._manager_runner(), _DEADLINE_MS)

    def _written(self, journals, write, *arguments):
        """write(*arguments). A node whose flash is full of packs has to start all the same: those of devices that are
        not configured any more give way, then the oldest in `journals`, as for a pack that needs room."""
        while True:
            try:
                return write(*arguments)
            except OSError as error:
                if error.errno != _ENOSPC:
                    raise
                if not (self.orphans.make_room() or any([journal.make_room() for journal in journals.values()])):
                    raise

    def _is_closed(self) -> bool:
        tasks = [task for line in self.tasks.values() for task in line]
        return all([task.is_closed() for task in tasks]) and self._gate.open()

    async def run(self) -> None:
        """Until cancelled, or until the watchdog has its way."""
        await self.supervisor.run(_CHECK_MS)

    # A task opens its port itself: when the port fails, the supervisor starts the task again, and with it the port.

    def _open_link_port(self):
        settings = self.config.link
        return self._board.open_uart(settings.port, settings.baud, "N")

    def _link_runner(self, open_port):
        async def run(beat):
            self.link.attach(open_port())
            while True:
                beat()
                self.link.step()
                # Never waited for: the link has to listen, and a full journal makes room by itself.
                if self.link.untidy() and self._gate.open():
                    self._gate.do(self.link.tidy)
                # Not while a configuration is on trial: with the one before they would have a device again.
                if self.orphans.due() and not self.config_trial.on and self._gate.open():
                    self._gate.do(self.orphans.step)
                await self._clock.sleep_ms(_LINK_STEP_MS)

        return run

    def _bus_runner(self, line, bus, tasks, turn):
        async def run(beat):
            try:
                async with turn.lock:
                    await poll(beat)
            except Exception as error:
                turn.why_down = "bus down: %s" % said(error)  # the supervisor starts it again
                raise

        async def poll(beat):
            bus.attach(self._board.open_uart(line.port, line.baud, line.parity), beat)
            while True:
                beat()
                if self.resort.closing:
                    await self._close(tasks)
                    continue
                task = min(tasks, key=_next_poll)
                wait_ms = task.next_poll - self._clock.now()
                if wait_ms > 0:
                    await self._clock.sleep_ms(min(wait_ms, 1000))
                    continue
                await task.poll()
                await self._clock.sleep_ms(0)  # a poll may have nothing to wait for, and the next be due already
                await self._store(task.packer)
                if task.keep_is_due():
                    await self._keep(task)
                gc.collect()  # at the same place every time: a heap that grows shows, and fragments less

        return run

    def _watch_runner(self, tasks, turn):
        """Speaks for the meters while nobody asks them."""

        async def run(beat):
            while True:
                beat()
                if turn.why_down and not turn.lock.locked():
                    async with turn.lock:
                        for task in tasks:
                            task.not_asked(turn.why_down)
                            await self._store(task.packer)
                        if self.resort.closing:
                            await self._close(tasks)
                await self._clock.sleep_ms(_WATCH_STEP_MS)

        return run

    async def _close(self, tasks) -> None:
        """For a restart: what is in memory alone goes into flash."""
        for task in tasks:
            task.close()
            await self._store(task.packer)
        await self._clock.sleep_ms(_WATCH_STEP_MS)

    async def _keep(self, task) -> None:
        try:
            async with self._gate:
                task.keep()
        except OSError as error:
            self.storage_errors += 1
            self._report("serial number of %s: %s; trying again with the next poll" % (task.device, error))

    def _sensor_runner(self, task):
        async def run(beat):
            while True:
                beat()
                task.step()
                if task.report_is_due() or (self.resort.closing and task.close_is_due()):
                    async with self._gate:
                        task.report()
                if task.store_is_due():
                    await self._store(task.packer)
                await self._clock.sleep_ms(_SENSOR_STEP_MS)

        return run

    def _manager_runner(self):
        async def run(beat):
            while True:
                beat()
                if self.link.agreement_due():
                    async with self._gate:  # some hundred milliseconds in which no byte is taken from a bus
                        self.link.agree()
                raw = self.link.command
                if raw is not None:
                    self.link.command = None  # before: what this task dies of must not wait for the next one
                    await self.management.look(raw)
                    async with self._gate:  # what is commanded may write flash
                        answer = self.management.manager.answer(raw)
                    self.link.send(answer)
                counters = self.management.counters_due()
                if counters is not None:
                    self.link.send(counters)
                if self._trial.is_due():
                    async with self._gate:
                        self._trial.judge()
                if self.config_trial.is_won():
                    async with self._gate:
                        self.config_trial.keep()
                if self.resort.keep_is_due():
                    async with self._gate:
                        self.resort.keep()
                if self.management.reboot_due():
                    self._board.reset()
                await self._clock.sleep_ms(_MANAGER_STEP_MS)

        return run

    def _tls(self):
        """Trusts the broker's authority and nobody else; ConfigError when its file is not there or is none."""
        import tls  # not on boards without a network; what MicroPython's ssl is made of

        from .certificate_time import CertificateTime

        path = self.config.link.ca
        authority = self.files.read(path)
        if authority is None:
            raise ConfigError("link.ca: %s cannot be read; write the file of the broker's authority (DER)" % path)
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore[reportAttributeAccessIssue]
        try:
            context.load_verify_locations(authority)
        except ValueError as error:
            raise ConfigError("link.ca: %s: %s; write the file of the broker's authority (DER)" % (path, error))
        place = self.config.state + "/utc"
        return CertificateTime(context, self.files, place, self.clock, self._board.set_clock, self._report)

    async def _store(self, packer) -> None:
        """Sign and keep what the packer has. What the flash refuses stays there for the next time."""
        while packer.busy:
            try:
                packer.sign()
                async with self._gate:
                    packer.store()
            except OSError as error:
                self.storage_errors += 1
                self._report("journal of %s: %s; trying again in a while" % (packer.device, error))
                return
            self.link.step()
            await self._clock.sleep_ms(0)  # one pack takes some hundred milliseconds, and a report may have many


def _next_poll(task) -> int:
    return task.next_poll
