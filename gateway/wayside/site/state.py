"""A site's state folder: the gateway's own keys, and whether a site that has run before still has them.

A key is made where a site begins and nowhere else: who made another one in silence would begin a second history of the
same name. That a site has run is noted beside its site file too, because it is the state folder that gets lost: a disk
that is not mounted, a card that was changed.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wayside.evidence import EvidenceError
from wayside.evidence.files import replace_file
from wayside.evidence.note import ED25519, NoteKey, parse_checkpoint, parse_note
from wayside.log import LogError, LogReader
from wayside.log.reader import epochs, read_signed
from wayside.site.config import SiteFile
from wayside.trust.keys import KeyFileError, SoftwareKey, find_gateway_key, load, load_or_create
from wayside.trust.registry import read_keyring

_logger = logging.getLogger(__name__)

NAMES = ("identity", "log")
"""The gateway's keys: who signs what the gateway polled, and who signs the log."""

BEHIND_THE_LOG = 1 << 62
"""A place behind all entries, for what is not in the log yet."""


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    identity: SoftwareKey
    log: SoftwareKey


def state_folder(site: SiteFile, path: Path) -> Path:
    return path.parent / site.site.state


@contextmanager
def keys_locked(folder: Path) -> Iterator[None]:
    """Who makes a gateway's keys, or takes them to open its log, is alone with them. KeyFileError when he is not."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(folder / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        text = "folder and files have to belong to the user that runs Wayside"
        raise KeyFileError(f"{error.filename}: {error.strerror}; {text}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise KeyFileError(f"{folder}: the gateway starts, or another command is at the keys; try again") from None
    finally:
        os.close(handle)


def gateway_keys(site: SiteFile, path: Path, new_identity: bool = False) -> GatewayKeys:
    """The keys of the gateway of the site file at `path`; made, where the site has never run. KeyFileError.

    To be called with `keys_locked`.

    new_identity: another one comes in the place of the identity, which may be missing; see make_next.
    """
    folder = state_folder(site, path)
    folder.mkdir(parents=True, exist_ok=True)
    found = _find_keys(folder)
    missing = [name for name in NAMES if name not in found and not (new_identity and name == "identity")]
    if has_log(folder):
        if missing:
            raise KeyFileError(_missing(path, folder, missing))
    elif run_note(path).exists() and (missing or not site.witness):
        # With its keys and a witness, who is asked before anything is signed, a lost log goes on in a new epoch.
        raise KeyFileError(_keys_alone(path, folder) if found else _state_is_gone(path, folder))
    for name in missing:
        file = folder / f"{name}.key"
        file.unlink(missing_ok=True)  # an empty one, whose making was cut off
        found[name] = load_or_create(file)
    if new_identity:
        found["identity"] = make_next(folder, "identity")
    if found["log"].public == found["identity"].public:
        raise KeyFileError(f"{folder}: identity.key and log.key are the same key; restore them from the backup")
    return GatewayKeys(found["identity"], found["log"])


def _find_keys(folder: Path) -> dict[str, SoftwareKey]:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5), Credentials
    found = {name: find_gateway_key(name, folder, credentials) for name in NAMES}
    return {name: key for name, key in found.items() if key}


def begin_anew(site: SiteFile, path: Path) -> None:
    """Make keys for a second history of a site that may have run before. KeyFileError where the first is still here."""
    folder = state_folder(site, path)
    with keys_locked(folder):
        if has_log(folder) or _find_keys(folder):
            raise KeyFileError(
                f"{folder} holds keys or a log: to go on with them, leave --new-state out; to begin anew, move all of"
                f" {folder} away (two histories signed by one key are a proof of fraud)"
            )
        run_note(path).unlink(missing_ok=True)
        gateway_keys(site, path)


def _missing(path: Path, folder: Path, missing: list[str]) -> str:
    files = " and ".join(f"{name}.key" for name in missing)
    if missing == ["identity"]:
        then = f"if it is lost for good: wayside keys rotate {path} identity"
    else:
        then = f"if it is lost for good, move {folder} away and begin anew: wayside run --new-state {path}"
    restore = f"bring it back: wayside keys restore {path} BACKUP (a credential of systemd only the unit can read)"
    return f"{folder}: the log is here, and its key {files} is not; {restore}; {then}"


def _state_is_gone(path: Path, folder: Path) -> str:
    return (
        f"{path}: this site has run before ({run_note(path).name}), but {folder} is empty; put that folder back"
        f" (is its disk mounted?). To begin a second history of this site: wayside run --new-state {path}"
    )


def _keys_alone(path: Path, folder: Path) -> str:
    return (
        f"{path}: this site has run before ({run_note(path).name}), and {folder} holds keys without their log; put the"
        " log back. Without it they must sign nothing, unless the site file names a [[witness]] that knows how far the"
        f" log had gone. To begin a second history with new keys, move {folder} away: wayside run --new-state {path}"
    )


# --- that the site has run ---


def run_note(path: Path) -> Path:
    """The file beside the site file at `path` that says so."""
    return path.with_name(f"{path.name}.has-run")


def note_run(site: SiteFile, path: Path, log_key: SoftwareKey) -> None:
    """Note beside the site file that its log has begun."""
    key = NoteKey(f"{site.site.name}/log/0", ED25519, log_key.public)
    text = (
        f"{site.site.name} has run. Its log and its keys are in: {state_folder(site, path).resolve()}\n"
        f"Its log's key: {key}\n"
        "While this file is here, Wayside begins no second history of the site unless it is asked to"
        " (wayside run --new-state).\n"
    ).encode()
    note = run_note(path)
    try:
        if not note.exists() or note.read_bytes() != text:
            replace_file(note, text)
    except OSError as error:
        _logger.warning("%s cannot be written (%s): a lost state folder will not be noticed", note, error.strerror)


# --- rotations ---


def make_next(folder: Path, name: str) -> SoftwareKey:
    """The key that is to come after `name`, in a file beside it."""
    path = _next(folder, name)
    path.unlink(missing_ok=True)
    return load_or_create(path)


def put_next(folder: Path, name: str) -> None:
    """The next key is the key from now on."""
    _next(folder, name).replace(folder / f"{name}.key")


def _next(folder: Path, name: str) -> Path:
    return folder / f"{name}.key.next"


def finish_rotations(folder: Path) -> SoftwareKey | None:
    """Take the next key, or forget it, after a rotation that was cut off: the log says which.

    Returned is a next key of the log that the log tells of, and that has signed nothing yet: the log has to go on with
    it. To be called with `keys_locked`, before the log is opened.
    """
    found = None
    for name in NAMES:
        path = _next(folder, name)
        if not path.exists():
            continue
        key = load(path) if path.stat().st_size else None
        if key and name == "log" and _signed_by(folder / "log", key):
            put_next(folder, name)
        elif not key or not _told_of(folder / "log", key):
            path.unlink()
        elif name == "log":
            found = key
        else:
            put_next(folder, name)
    return found


def has_log(folder: Path) -> bool:
    """Whether a log has begun in the state folder, damaged or not: what is wrong with it the log says itself."""
    return any((folder / "log").glob("epoch-*.sqlite")) or newest_signed(folder / "log") is not None


def newest_signed(folder: Path) -> int | None:
    """The newest epoch of the log in `folder` that signed anything; None when none did."""
    if not folder.is_dir():
        return None
    return next((each for each in sorted(epochs(folder), reverse=True) if read_signed(folder, each)), None)


def _signed_by(folder: Path, key: SoftwareKey) -> bool:
    epoch = newest_signed(folder)
    if epoch is None:
        return False
    with suppress(EvidenceError):
        note = parse_note(read_signed(folder, epoch))
        note.verified_by(NoteKey(parse_checkpoint(note).origin, ED25519, key.public))
        return True
    return False


def _told_of(folder: Path, key: SoftwareKey) -> bool:
    """Whether the newest epoch says that the key counts."""
    epoch = newest_signed(folder)
    if epoch is None:
        return False
    try:
        with closing(LogReader(folder, epoch=epoch)) as log:
            told = read_keyring(log).get(key.kid)
    except (LogError, EvidenceError):
        return True  # damaged: what it told cannot be known, and a key that is kept does no harm
    return told is not None and told.until is None
