"""The roles `radio` and `sensor`: `micropython -m wayside_node.radio_app --config FILE [--public-key]`."""

import asyncio
import sys
import time

import board
import board_lora
import wayside_native
from micropython import const
from wayside_wire.lora_report import AirProfile
from wayside_wire.region import REGIONS, band_of

from . import FIRMWARE, selftest
from .clock import NodeClock
from .command_line import jitter, parse, say, started
from .config import ConfigError
from .config_store import ConfigStore, load_or_fall_back
from .files import Files
from .journal import PackJournal
from .keys import open_identity
from .last_resort import LastResort
from .radio import Bridge, Budget, Transmitter
from .radio_config import RadioBoard, check, load
from .radio_remote import Remote, Working
from .radio_schedule import Schedule
from .radio_sense import carrier_sense
from .radio_sensor import RadioUplink
from .sensors.catalogue import open_sensors
from .supervisor import NodeSupervisor
from .trial import FirmwareTrial

_DEADLINE_MS = const(60000)
_CHECK_MS = const(500)
_STEP_MS = const(20)
_CLOSE_MS = const(500)
_QUIET_MS = const(86400000)  # a day in which a receiver hears nothing


def main(arguments) -> int:
    """Exit status: 0 done, 1 the configuration or identity cannot be used, 2 wrong usage."""
    asked = parse(arguments, "wayside_node.radio_app")
    if asked is None:
        return 2
    path, public_key = asked
    files = Files(board.sync, board.sync_directory)
    files.report = say
    store = ConfigStore(files, path, check, load)
    return started(lambda: _run(files, store, path, public_key), store)


def _run(files, store, path: str, public_key: bool) -> None:
    settings = load_or_fall_back(path, say, load) if public_key else store.begin(say)
    identity = open_identity(files, settings.state, wayside_native, board.urandom)
    if public_key:
        print(identity.public.hex())
        return
    holdover_ms = 0 if isinstance(settings, RadioBoard) else settings.holdover_ms
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, holdover_ms)
    asyncio.run(_supervisor(settings, files, identity, clock).run(_CHECK_MS))


def _supervisor(settings, files, identity, clock):
    resort = LastResort(files, settings.state + "/restarts", clock, say, board.reset)
    supervisor = NodeSupervisor(clock, lambda: board.watchdog(settings.watchdog_ms), say, resort)
    radio = settings.radio
    modem = board_lora.open_modem(radio, settings.chip)
    band = band_of(REGIONS[radio.region], radio.freq_khz, radio.bw_hz)
    budget = Budget(files, settings.state + "/airtime", band.duty_permille, clock)
    is_free = carrier_sense(modem, clock)
    if REGIONS[radio.region].listen_us and is_free is None:
        raise ConfigError("radio.region: %s wants listening before talking, which this modem cannot" % radio.region)
    transmitter = Transmitter(modem, radio, budget, clock, jitter, is_free)
    if isinstance(settings, RadioBoard):
        boot = identity.counters.next_boot()
        _add_bridge(supervisor, settings, modem, transmitter, clock, boot, resort)
    else:
        _add_sensor(supervisor, settings, modem, transmitter, clock, identity, files, resort)

    def inspect():
        return selftest.check_board(files, settings.state, board.urandom, identity, wayside_native, time)

    trial = FirmwareTrial(board.trial(), inspect, clock, say)
    supervisor.add("trial", trial.run, _DEADLINE_MS)
    supervisor.add("last resort", resort.run, _DEADLINE_MS)
    held = resort.is_held
    resort.is_held = lambda: trial.is_pending() or held()
    return supervisor


def _add_bridge(supervisor, settings, modem, transmitter, clock, boot: int, resort) -> None:
    bridge = Bridge(modem, transmitter, clock, (boot, board.NAME, FIRMWARE))
    bridge.on_heard = resort.served
    resort.usual_ms = lambda: _QUIET_MS
    bridge.attach(board.open_uart(settings.link.port, settings.link.baud, "N"))

    async def listen(beat):
        await bridge.listen(beat, asyncio.wait_for_ms, asyncio.TimeoutError)

    supervisor.add("listen", listen, _DEADLINE_MS)
    supervisor.add("serve", bridge.serve, _DEADLINE_MS)
    say("radio: boot %d" % boot)


def _add_sensor(supervisor, settings, modem, transmitter, clock, identity, files, resort) -> None:
    drivers, channels = open_sensors(settings.sensors, board, clock, files, settings.state)
    journal = PackJournal(files, settings.state + "/journal", settings.journal_bytes, patient=True)
    if journal.closed:
        say("journal: %s; trying again with every pack" % journal.closed)
    boot = identity.counters.next_boot(journal.head.boot + 1)
    profile = AirProfile(channels)
    names = [channel.name for channel in channels]
    own = Working(settings.report_ms, settings.sign_every, settings.radio.sf, names, {})
    remote = Remote(files, settings.state + "/remote", profile, own)
    uplink = RadioUplink(
        settings.uplink, profile, settings.key, identity, boot, journal, transmitter, modem, clock, remote
    )

    uplink.on_served = resort.served
    resort.usual_ms = uplink.silence_ms
    resort.is_held = lambda: remote.on_trial
    resort.is_closed = uplink.is_closed

    async def sense(beat):
        while True:
            beat()
            for driver in drivers:
                driver.step()
            await clock.sleep_ms(_STEP_MS)

    async def report(beat):
        schedule = Schedule(clock.now(), remote.working.report_ms, jitter)
        while True:
            beat()
            now = clock.now()
            if resort.closing:
                for driver in drivers:
                    driver.readings(now)  # what they count is durable then
                uplink.close()
                await clock.sleep_ms(_CLOSE_MS)
                continue
            wait_ms = schedule.wait_ms(now, remote.working)
            if wait_ms:
                await clock.sleep_ms(min(wait_ms, 1000))
                continue
            readings = [reading for driver in drivers for reading in driver.readings(now)]
            if schedule.is_due(now, remote.working, readings):
                await uplink.take(readings)
                schedule.reported(now, remote.working, readings)

    supervisor.add("sensors", sense, _DEADLINE_MS)
    supervisor.add("report", report, max(_DEADLINE_MS, 20 * settings.uplink.listen_ms))
    say("sensor %s: boot %d" % (settings.uplink.device, boot))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
