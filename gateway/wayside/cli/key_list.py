"""The table of `wayside keys list`: who may sign since when until when, and who has certified it."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import inf

from wayside_wire.pack import key_id
from wayside_wire.senml import LAST_TIME_MS

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import REGISTRAR_ROLE, Certificate, read_claim
from wayside.evidence.entry import decode_entry
from wayside.evidence.keyring import Keyring, Registration
from wayside.evidence.kinds import GATEWAY, LOG, OPERATOR
from wayside.evidence.note import ED25519, NoteKey
from wayside.log import LogReader
from wayside.trust.owner import DAY_MS
from wayside.trust.registry import read_keyring

_WARN_DAYS = 30


def key_list(log: LogReader, site: str, now_ms: int) -> Iterator[str]:
    """The lines of the table. now_ms: ms since 1970, for certificates that end."""
    keyring = read_keyring(log)
    for key in keyring:
        if key.role == LOG and key.until is None:
            yield f"verifier key {NoteKey(log.origin, ED25519, key.public)}"
        if key.role == GATEWAY and key.until is None:
            yield f"gateway key  {key.public.hex()}"
    yield f"{'holder':16} {'role':8} {'key id':16} {'class':5} {'since':32} until"
    for key in keyring:
        until = f"{_place(log, key.until)} {key.reason}".rstrip() if key.until is not None else "-"
        who = f"{key.holder or site:16} {key.role:8} {key.kid.hex()} C{key.assurance:<4}"
        yield f"{who} {_place(log, key.since):32} {until}"
        if key.devices:
            yield f"{'':16} for {_devices(key)}"
        if key.until is None and key.role != OPERATOR:
            yield from (f"{'':16} {line}" for line in _certified(key, keyring, now_ms))


def _devices(key: Registration) -> str:
    named = dict(key.profiles)
    return ", ".join(f"{device} ({named[device]})" if device in named else device for device in sorted(key.devices))


def _place(log: LogReader, index: int) -> str:
    entry = decode_entry(log.records(index, 1)[0].entry)
    when = datetime.fromtimestamp(entry.logged_at_ms / 1000, UTC).isoformat(timespec="seconds")
    return f"entry {index}, {when.replace('+00:00', 'Z')}"


def _certified(key: Registration, keyring: Keyring, now_ms: int) -> Iterator[str]:
    """What the certificates of a key say, by whom and until when: of each signer the one that counts longest."""
    longest: dict[tuple[bytes, str, bytes], Certificate] = {}
    for raw in key.certificates:
        with suppress(EvidenceError):
            signer, claim = read_claim(raw)
            known = longest.get((signer, claim.role, claim.public))
            if known is None or _end(known) <= _end(claim):
                longest[signer, claim.role, claim.public] = claim
    is_certified = False
    for (signer, role, public), claim in longest.items():
        until = f"{until_text(claim.until_ms)}{_due(claim, now_ms)}"
        by = keyring.get(signer)
        if by and by.role == LOG:
            if signer != key.kid:
                yield f"bridged from log key {signer.hex()}"
        elif role == REGISTRAR_ROLE:
            yield f"registrar {key_id(public).hex()} is certified by {signer.hex()}, {until}"
        else:
            is_certified = True
            assurance = f" as C{claim.assurance}" if claim.assurance is not None else ""
            yield f"certified{assurance} by {signer.hex()}, {until}"
    if not is_certified:
        yield "not certified: wayside keys request"


def until_text(until_ms: int | None) -> str:
    """When a certificate ends, for people."""
    if until_ms is None:
        return "without an end"
    if until_ms > LAST_TIME_MS:
        return "until after the year 9999"
    return f"until {datetime.fromtimestamp(until_ms / 1000, UTC).date().isoformat()}"


def _end(claim: Certificate) -> float:
    return inf if claim.until_ms is None else claim.until_ms


def _due(claim: Certificate, now_ms: int) -> str:
    """A warning in time; empty where there is none to give."""
    left_ms = _end(claim) - now_ms
    if left_ms >= _WARN_DAYS * DAY_MS:
        return ""
    what = "ENDED" if left_ms < 0 else f"ENDS IN {int(left_ms // DAY_MS)} DAYS"
    return f"; {what}: wayside keys request, and let it be certified again"
