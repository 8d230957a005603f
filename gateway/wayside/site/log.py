"""Opens a site's log with the keys that belong to it, and lets the log say which keys count.

The daemon does so when it starts, and a command that changes keys while no gateway runs. Stands above `log`, `trust`
and `intake.journal`.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wayside.clock import Clock
from wayside.config import SiteFile
from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certificate, sign_certificate
from wayside.evidence.entry import key_body
from wayside.evidence.keyring import GATEWAY, LOG, NODE, REGISTERED, Keyring
from wayside.evidence.note import ED25519, NoteKey, parse_checkpoint, parse_key, parse_note
from wayside.intake.journal import announce
from wayside.log import Log, LogError, LogReader
from wayside.log.reader import epochs, newest_epoch, read_signed
from wayside.trust.keys import SoftwareKey, load, load_gateway_key, load_or_create
from wayside.trust.registry import Holder, align, carry_over, read_keyring
from wayside.witness.client import WitnessClient
from wayside.witness.collect import newest_held

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SiteLog:
    """An open log, the gateway's keys, and the keys that the log says count."""

    log: Log
    identity: SoftwareKey
    log_key: SoftwareKey
    keyring: Keyring


def state_folder(site: SiteFile, path: Path) -> Path:
    return path.parent / site.site.state


def devices_of_nodes(site: SiteFile) -> dict[str, list[str]]:
    wired = {node.name: list(node.devices) for node in site.node}
    return wired | {sensor.name: [sensor.device] for sensor in site.air_sensors()}


def open_site_log(site: SiteFile, path: Path, clock: Clock) -> SiteLog:
    """The log of the site file at `path`; LogError, KeyFileError or RegistryError when it cannot be used.

    Whoever opens it signs, so the site's witnesses are asked first, always.
    """
    state = state_folder(site, path)
    state.mkdir(parents=True, exist_ok=True)
    _finish_rotation(state)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5), Credentials
    identity = load_gateway_key("identity", state, credentials)
    log_key = load_gateway_key("log", state, credentials)

    def now() -> tuple[int, int]:
        return clock.utc_ms(), clock.time_quality()

    clients = witness_clients(site, log_key.public, now)
    witnessed = partial(newest_held, clients) if clients else None
    log = Log(state / "log", site.site.name, log_key.public, log_key.sign, now, witnessed=witnessed)
    try:
        if log.found:
            _logger.warning("log: %s", log.found)
        keyring = read_keyring(log)
        bodies = _of_earlier_epochs(state / "log", log) if not list(keyring) else []
        for index, body in enumerate(bodies):
            keyring.take(log.size + index, body)
        more, remarks = align(keyring, holders(site, identity, log_key))
        announce(log, clock, _digest(path), bodies + more)
        for remark in remarks:
            _logger.warning("keys: %s", remark)
        return SiteLog(log, identity, log_key, read_keyring(log))
    except BaseException:
        log.close()
        raise


def witness_clients(site: SiteFile, log_public: bytes, now: Callable[[], tuple[int, int]]) -> list[WitnessClient]:
    """`log_public`: the key of the log; `now`: (ms since 1970, time quality) of the gateway's clock."""
    return [WitnessClient(each.url, parse_key(each.vkey), log_keys=[log_public], clock=now) for each in site.witness]


def rotate_identity(opened: SiteLog, site: SiteFile, path: Path, clock: Clock) -> SoftwareKey:
    """A new key for what the gateway signs itself; the old one is revoked. No gateway may be running."""
    state = state_folder(site, path)
    key = _make_next(state, "identity")
    (state / "identity.key.next").replace(state / "identity.key")
    # Cut off here, the next start says the same.
    bodies, _ = align(opened.keyring, holders(site, key, opened.log_key))
    announce(opened.log, clock, _digest(path), bodies)
    return key


def rotate_log_key(opened: SiteLog, site: SiteFile, path: Path, clock: Clock) -> SoftwareKey:
    """A new key for the log. The old one's last word, and the first of the new one, is the bridge between the two."""
    state, name = state_folder(site, path), site.site.name
    key = _make_next(state, "log")
    bridge = Certificate(name, LOG, key.public, clock.utc_ms())
    certificates = [sign_certificate(bridge, each.public, each.sign) for each in (opened.log_key, key)]
    announce(opened.log, clock, _digest(path), [key_body(key.public, LOG, [], REGISTERED, certificates=certificates)])
    bodies = carry_over(read_keyring(opened.log))
    opened.log.rotate(key.public, key.sign, lambda: (clock.utc_ms(), clock.time_quality()))
    (state / "log.key.next").replace(state / "log.key")
    announce(opened.log, clock, _digest(path), bodies)
    more, _ = align(read_keyring(opened.log), holders(site, opened.identity, key))
    announce(opened.log, clock, _digest(path), more)
    return key


def _make_next(state: Path, name: str) -> SoftwareKey:
    path = state / f"{name}.key.next"
    path.unlink(missing_ok=True)
    return load_or_create(path)


def _finish_rotation(state: Path) -> None:
    """A rotation of the log's key that was cut off: the new key counts as soon as an epoch is signed by it."""
    path = state / "log.key.next"
    if not path.exists():
        return
    key = load(path)
    folder = state / "log"
    try:
        note = parse_note(read_signed(folder, newest_epoch(folder)))
        note.verified_by(NoteKey(parse_checkpoint(note).origin, ED25519, key.public))
    except (OSError, EvidenceError):
        path.unlink()
    else:
        path.replace(state / "log.key")


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def holders(site: SiteFile, identity: SoftwareKey, log_key: SoftwareKey) -> list[Holder]:
    """Every key that the site file brings, and the gateway's own."""
    profiles = {device.name: device.profile for bus in site.bus for device in bus.device}
    beacons = (device for ble in site.ble for device in ble.devices())
    own = (*profiles, *beacons)
    found = [Holder(LOG, log_key.public), Holder(GATEWAY, identity.public, own, profiles=profiles)]
    devices = devices_of_nodes(site)
    for node in site.key_holders():
        public = bytes.fromhex(node.public_key) if node.public_key else None
        found.append(Holder(NODE, public, tuple(devices[node.name]), node.name))
    return found


def latest_note(folder: Path, log: LogReader, key: str) -> bytes:
    """A note of the log or, while a new epoch has none, of the last one that has it; empty where none has."""
    epoch = log.epoch
    found = log.note(key)
    for earlier in sorted((each for each in epochs(folder) if each < epoch), reverse=True):
        if found is not None:
            break
        try:
            reader = LogReader(folder, epoch=earlier)
        except LogError:
            continue
        found = reader.note(key)
        reader.close()
    return found or b""


def _of_earlier_epochs(folder: Path, log: Log) -> list[dict[int, object]]:
    """The keys of the epoch before, for the first entries of a new one."""
    epoch = log.epoch
    for earlier in sorted((each for each in epochs(folder) if each < epoch), reverse=True):
        try:
            reader = LogReader(folder, epoch=earlier)
        except LogError as error:
            _logger.warning("keys: those of epoch %d cannot be read, enrol its nodes again: %s", earlier, error)
            continue
        try:
            return carry_over(read_keyring(reader))
        except EvidenceError as error:
            _logger.warning("keys: those of epoch %d cannot be used, enrol its nodes again: %s", earlier, error)
        finally:
            reader.close()
    return []
