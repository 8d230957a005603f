"""The verifier key of a site's log: what a reader of its evidence brings. No command itself."""

import os
from contextlib import closing, suppress
from pathlib import Path

from wayside.evidence.epoch import signing_key
from wayside.evidence.kinds import LOG
from wayside.evidence.look import key_entries
from wayside.evidence.note import ED25519, NoteKey, parse_note
from wayside.evidence.stream import KEYS
from wayside.log import LogReader
from wayside.site import state
from wayside.trust.keys import KeyFileError, find_gateway_key


def of_log(log: LogReader, folder: Path) -> NoteKey:
    """The key that signed the log's checkpoint; folder: the state. EvidenceError when it is not known here."""
    publics = [key.public for key in key_entries(each.entry for each in log.stream(KEYS)) if key.role == LOG]
    with suppress(KeyFileError):
        if own := find_gateway_key("log", folder, os.environ.get("CREDENTIALS_DIRECTORY")):
            publics.append(own.public)
    return NoteKey(log.origin, ED25519, signing_key(parse_note(log.checkpoint), log.origin, publics))


def of_site(site: str, folder: Path) -> NoteKey:
    """As of_log(); of a site that has not run yet the key that is there for it. KeyFileError when there is none."""
    if state.has_log(folder):
        with closing(LogReader(folder / "log")) as log:
            return of_log(log, folder)
    own = find_gateway_key("log", folder, os.environ.get("CREDENTIALS_DIRECTORY"))
    if own is None:
        raise KeyFileError(
            f"{folder}: the log of {site} and its key are not here. On its gateway they are; where it has never run,"
            " `wayside run` makes them, and so does `wayside keys request`"
        )
    return NoteKey(f"{site}/log/0", ED25519, own.public)
