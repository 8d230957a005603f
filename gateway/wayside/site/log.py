"""Opens a site's log with the keys that belong to it, and lets the log say which keys count.

The daemon does so when it starts, and a command that changes keys while no gateway runs. Stands above `log`, `trust`
and `intake.journal`.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certificate, sign_certificate
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import GATEWAY, LOG, NODE, KeyBody
from wayside.evidence.note import parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin
from wayside.intake.journal import announce
from wayside.log import Log, LogError, LogReader
from wayside.log.reader import epochs, newest_epoch, read_signed
from wayside.runtime.clock import Clock
from wayside.site import state
from wayside.site.config import SiteFile
from wayside.site.cut_off import note_end
from wayside.site.state import GatewayKeys, state_folder
from wayside.trust.keys import KeyFileError, SoftwareKey
from wayside.trust.registry import Holder, align, carry_over, read_keyring, rotation
from wayside.witness.client import WitnessClient
from wayside.witness.collect import newest_held
from wayside.witness.table import WitnessTable

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SiteLog:
    """An open log, the gateway's keys, and the keys that the log says count."""

    log: Log
    identity: SoftwareKey
    log_key: SoftwareKey
    keyring: Keyring


def devices_of_nodes(site: SiteFile) -> dict[str, list[str]]:
    return {signer.name: list(signer.devices) for signer in site.signers()}


def open_site_log(site: SiteFile, path: Path, clock: Clock) -> SiteLog:
    """The log of the site file at `path`; LogError, KeyFileError or RegistryError when it cannot be used.

    Whoever opens it signs, so the site's witnesses are asked first, always. A rotation of a key that was cut off is
    finished, or undone where the log does not tell of it yet.
    """
    folder = state_folder(site, path)
    _check_name(site, path, folder / "log")
    with state.keys_locked(folder):
        next_log = state.finish_rotations(folder)
        keys = state.gateway_keys(site, path)
        _check_introduced(path, folder, GATEWAY, keys.identity)
        return _open(site, path, clock, keys, next_log)


def _open(site: SiteFile, path: Path, clock: Clock, keys: GatewayKeys, next_log: SoftwareKey | None) -> SiteLog:
    """next_log: the key of a rotation that the log tells of already; it has to be finished."""
    folder = state_folder(site, path)
    _check_introduced(path, folder, LOG, keys.log)

    def now() -> tuple[int, int]:
        return clock.utc_ms(), clock.time_quality()

    log_key = keys.log
    clients = witness_clients(site.of(WitnessTable), log_key.public, now)
    witnessed = partial(newest_held, clients) if clients else None
    log = Log(folder / "log", site.site.name, log_key.public, log_key.sign, now, witnessed=witnessed)
    try:
        if log.found:
            _logger.warning("log: %s", log.found)
        note_end(log)
        state.note_run(site, path, log_key)
        keyring = read_keyring(log)
        bodies: list[KeyBody] = []
        if not list(keyring):
            keyring, bodies = _of_earlier_epochs(folder / "log", log)
        if next_log and (told := keyring.get(next_log.kid)) and told.until is None:
            # The old key's last word is in the log already, so it signs nothing any more.
            log_key, bodies = next_log, carry_over(keyring)
            log.rotate(log_key.public, log_key.sign, now)
            state.put_next(folder, "log")
            state.note_run(site, path, log_key)
        if bodies:
            keyring = Keyring()
        for index, body in enumerate(bodies):
            keyring.take(log.size + index, body)
        more, remarks = align(keyring, holders(site, keys.identity, log_key))
        announce(log, clock, _digest(path), bodies + more)
        for remark in remarks:
            _logger.warning("keys: %s", remark)
        return SiteLog(log, keys.identity, log_key, read_keyring(log))
    except BaseException:
        log.close()
        raise


def _check_name(site: SiteFile, path: Path, folder: Path) -> None:
    """LogError for the log of a site of another name: a site file that was changed, or another site's folder."""
    name = ""
    with suppress(OSError, LogError, EvidenceError):  # what is damaged, others say
        note = read_signed(folder, newest_epoch(folder))
        name = parse_origin(parse_checkpoint(parse_note(note)).origin).site
    if name and name != site.site.name:
        raise LogError(
            f"{folder}: this is the log of {name}, and {path} says [site] name = {site.site.name!r}; nothing was"
            f" written. Where the site was renamed in the file, write name = {name!r} back: a log keeps its name. Where"
            " this is another site's folder, give this site its own: [site] state"
        )


def _check_introduced(path: Path, folder: Path, role: str, key: SoftwareKey) -> None:
    """KeyFileError for a key of the gateway that the log does not know beside one that it does: a file in its place.

    A key that a command makes is in the log before it is in its file. Before the log is opened, because that signs.
    """
    keyring = _newest_keyring(folder / "log")
    present = [each for each in keyring if each.role == role and each.until is None]
    if not present or keyring.get(key.kid) is not None:
        return
    name = "log" if role == LOG else "identity"
    raise KeyFileError(
        f"{folder}: {name}.key is another key, {key.kid.hex()}, than the one that this site's log knows,"
        f" {present[-1].kid.hex()}; nothing was signed with it. Move it away and bring the right one back:"
        f" wayside keys restore {path} BACKUP"
        + ("" if role == LOG else f"; if that is lost for good: wayside keys rotate {path} identity")
    )


def _newest_keyring(folder: Path) -> Keyring:
    """The keys of the newest epoch that has any; none where that cannot be known, for an epoch is damaged."""
    if folder.is_dir():
        for epoch in sorted({*epochs(folder), *epochs(folder, "sqlite")}, reverse=True):
            try:
                with closing(LogReader(folder, epoch=epoch)) as reader:
                    if list(keyring := read_keyring(reader)):
                        return keyring
            except (LogError, EvidenceError):
                break
    return Keyring()


def witness_clients(
    witnesses: Iterable[WitnessTable], log_public: bytes, now: Callable[[], tuple[int, int]]
) -> list[WitnessClient]:
    """`log_public`: the key of the log; `now`: (ms since 1970, time quality) of the gateway's clock."""
    return [WitnessClient(each.url, each.vkey, log_keys=[log_public], clock=now) for each in witnesses]


def rotate_identity(site: SiteFile, path: Path, clock: Clock) -> SiteLog:
    """A new key for what the gateway signs itself; the old one is revoked. No gateway may be running.

    The old one is not needed: it may be lost, or revoked. Cut off before the log tells of the new key, nothing has
    changed; after that, the next start takes it.
    """
    folder = state_folder(site, path)
    with state.keys_locked(folder):
        next_log = state.finish_rotations(folder)
        opened = _open(site, path, clock, state.gateway_keys(site, path, new_identity=True), next_log)
        try:
            state.put_next(folder, "identity")
        except BaseException:
            opened.log.close()
            raise
        return opened


def rotate_log_key(opened: SiteLog, site: SiteFile, path: Path, clock: Clock) -> SoftwareKey:
    """A new key for the log; the bridge to it and the end of the old key are the last entries that the old one signs.

    Cut off before those are in the log, nothing has changed; after that, the next start goes on with the new key.
    """
    folder, name = state_folder(site, path), site.site.name
    with state.keys_locked(folder):
        key = state.make_next(folder, "log")
        content = Certificate(name, LOG, key.public, clock.utc_ms())
        bridge = [sign_certificate(content, each.public, each.sign) for each in (opened.log_key, key)]
        last_words = rotation(opened.keyring, opened.log_key.public, key.public, bridge)
        announce(opened.log, clock, _digest(path), last_words)
        bodies = carry_over(read_keyring(opened.log))
        opened.log.rotate(key.public, key.sign, lambda: (clock.utc_ms(), clock.time_quality()))
        state.put_next(folder, "log")
        state.note_run(site, path, key)
        announce(opened.log, clock, _digest(path), bodies)
        more, _ = align(read_keyring(opened.log), holders(site, opened.identity, key))
        announce(opened.log, clock, _digest(path), more)
        return key


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def holders(site: SiteFile, identity: SoftwareKey, log_key: SoftwareKey) -> list[Holder]:
    """Every key that the site file brings, and the gateway's own."""
    tables = [table for _, table in site.placed()]
    profiles = {device: label for table in tables for device, label in table.profiles().items()}
    own = Holder(GATEWAY, identity.public, tuple(site.read_by_gateway()), profiles=profiles)
    nodes = [Holder(NODE, each.public_key, tuple(each.devices), each.name) for each in site.signers()]
    return [Holder(LOG, log_key.public), own, *nodes]


def latest_note(folder: Path, log: LogReader, key: str) -> bytes:
    """A note of the log or, while a new epoch has none, of the last one that has it; empty where none has."""
    epoch = log.epoch
    found = log.note(key)
    for earlier in sorted((each for each in epochs(folder) if each < epoch), reverse=True):
        if found is not None:
            break
        try:
            with closing(LogReader(folder, epoch=earlier)) as reader:
                found = reader.note(key)
        except LogError:
            continue
    return found or b""


def _of_earlier_epochs(folder: Path, log: Log) -> tuple[Keyring, list[KeyBody]]:
    """The keys of the epoch before, and the first entries of a new one that tell of them."""
    epoch = log.epoch
    for earlier in sorted((each for each in epochs(folder) if each < epoch), reverse=True):
        try:
            with closing(LogReader(folder, epoch=earlier)) as reader:
                keyring = read_keyring(reader)
                return keyring, carry_over(keyring)
        except LogError as error:
            _logger.warning("keys: those of epoch %d cannot be read, enrol its nodes again: %s", earlier, error)
        except EvidenceError as error:
            _logger.warning("keys: those of epoch %d cannot be used, enrol its nodes again: %s", earlier, error)
    return Keyring(), []
