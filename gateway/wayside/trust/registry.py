"""The devices' registry: what the log's key entries say, and the entries that change it.

The log is the registry: there is no other list that could differ from it. Every function that changes something returns
the key entries to append, or a RegistryError that says what to do; who appends them is the caller's.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wayside_wire import WireError, enrol
from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import NODE_ROLE, REGISTRAR_ROLE, Certificate, open_certificate
from wayside.evidence.ed25519 import PublicKeys, verifies
from wayside.evidence.entry import decode_entry
from wayside.evidence.keyring import Keyring, Registration
from wayside.evidence.kinds import LOG, NODE, OPERATOR, REGISTERED, REVOKED, KeyBody
from wayside.evidence.stream import KEYS

CHALLENGE_SIZE = 16  # bytes
_MAX_CERTIFICATES = 16  # of one key, the newest: what earlier entries hold counts for the packs behind them


class RegistryError(Exception):
    """A change that the registry must not make; the text says why and what to do."""


class _Record(Protocol):
    @property
    def index(self) -> int: ...

    @property
    def entry(self) -> bytes: ...


class Entries(Protocol):
    """What is asked of a log; wayside.log.LogReader is one."""

    def stream(self, stream: str) -> Iterable[_Record]:
        """The stream's entries, in order."""
        ...


def read_keyring(log: Entries, keyring: Keyring | None = None, first: int = 0) -> Keyring:
    """The keys that the entries of `log` name; `keyring` with those from index `first` on, where it is given."""
    keyring = keyring or Keyring()
    for record in log.stream(KEYS):
        body = decode_entry(record.entry).body if record.index >= first else None
        if isinstance(body, KeyBody):
            keyring.take(record.index, body)
    return keyring


# --- what the site file says ---


@dataclass(frozen=True, slots=True)
class Holder:
    """A key that the configuration brings: the gateway's own, or that of a node whose public key is written there.

    public: None for a node whose key was enrolled; then only devices and profiles are the configuration's.
    """

    role: str
    public: bytes | None
    devices: tuple[str, ...] = ()
    name: str = ""
    profiles: Mapping[str, str] = field(default_factory=dict)


def align(keyring: Keyring, holders: Iterable[Holder]) -> tuple[list[KeyBody], list[str]]:
    """(entries that make the log say what the configuration says, what somebody should look at)."""
    holders = list(holders)
    bodies: list[KeyBody] = []
    remarks: list[str] = []
    _check_own(keyring, holders)
    for holder in holders:
        present = _present(keyring, holder)
        if holder.public is not None:
            known = keyring.get(key_id(holder.public))
            if known and known.until is not None:
                if holder.role != NODE:
                    kid = known.kid.hex()
                    raise RegistryError(f"the {holder.role} key {kid} was revoked; type: wayside keys rotate")
                remarks.append(_revoked_in_file(holder, known, present))
            else:
                reason = "replaced" if holder.role == NODE else "rotated"
                bodies += [_revocation(each, reason) for each in present if each.public != holder.public]
                present = [known] if known else [_unknown(holder)]
        bodies += [_body(holder, each) for each in present if not _says(each, holder)]
    return bodies, remarks


def _check_own(keyring: Keyring, holders: Sequence[Holder]) -> None:
    """A key has one holder in one role: who wrote another into the log could never read it again."""
    named: dict[bytes, Holder] = {}
    for holder in holders:
        if holder.public is None:
            continue
        check_public(holder.public)
        kid = key_id(holder.public).hex()
        if other := named.get(holder.public):
            raise RegistryError(f"{_who(holder)} and {_who(other)} have the same key {kid}; each has one of its own")
        named[holder.public] = holder
        known = keyring.get(key_id(holder.public))
        if known is None or known.until is not None:
            continue
        moved = holder.role == known.role == NODE and known.holder not in {each.name for each in holders}
        if (known.role, known.holder) != (holder.role, holder.name) and not moved:
            whose = _who(Holder(known.role, None, name=known.holder))
            raise RegistryError(f"{_who(holder)} cannot have key {kid}: it is that of {whose}")


def _who(holder: Holder) -> str:
    return f"{holder.role} {holder.name}" if holder.name else f"the gateway ({holder.role})"


def check_public(public: bytes) -> None:
    """RegistryError for 32 bytes that are no key by which a signature could count."""
    try:
        PublicKeys().add(public)
    except ValueError as error:  # an EvidenceError is one
        raise RegistryError(f"{public.hex()} is no Ed25519 key that can be used: {error}") from None


def _present(keyring: Keyring, holder: Holder) -> list[Registration]:
    """The keys that count now for what the holder is: its own if it is a node, else the gateway's in that role."""
    active = [each for each in keyring if each.role == holder.role and each.until is None]
    return [each for each in active if holder.role != NODE or each.holder == holder.name]


def _revoked_in_file(holder: Holder, known: Registration, present: list[Registration]) -> str:
    then = f"its registered key {present[0].kid.hex()} counts" if present else "no key of it counts"
    return f"node {holder.name}: public_key in the site file was revoked by entry {known.until}; {then}"


def _unknown(holder: Holder) -> Registration:
    assert holder.public is not None
    return Registration(holder.public, holder.role, frozenset(), "", 0, -1)


def _says(key: Registration, holder: Holder) -> bool:
    """Whether the log says already what the configuration says."""
    if key.since < 0 or key.devices != frozenset(holder.devices) or key.holder != holder.name:
        return False
    return dict(key.profiles) == dict(holder.profiles)


def _body(holder: Holder, key: Registration, certificates: Iterable[bytes] = ()) -> KeyBody:
    known = dict.fromkeys([*key.certificates, *certificates])
    return KeyBody(
        key.public,
        holder.role,
        tuple(holder.devices),
        REGISTERED,
        key.assurance,
        holder.name,
        proof=key.proof,
        certificates=tuple(known)[-_MAX_CERTIFICATES:],
        profiles=dict(holder.profiles) or None,
    )


# --- what people ask for ---


@dataclass(frozen=True, slots=True)
class NewKey:
    """A node's key to enrol. challenge and proof: see wayside_wire.enrol; without a proof the class is C0."""

    public: bytes
    challenge: bytes = b""
    proof: bytes = b""


def new_challenge() -> bytes:
    """What a node has to sign to be enrolled; to be used once."""
    return os.urandom(CHALLENGE_SIZE)


def enrol_node(keyring: Keyring, node: str, devices: Sequence[str], new: NewKey) -> list[KeyBody]:
    """The first key of a node."""
    present = keyring.held_by(node)
    proof_is_new = bool(new.proof and present and not present.proof)
    if present and present.public == new.public and present.devices == frozenset(devices) and not proof_is_new:
        return []  # done before; each step may be repeated
    if present and present.public != new.public:
        kid = present.kid.hex()
        raise RegistryError(f"{node} holds key {kid}; to put another board in its place type: wayside keys replace")
    return [_enrolment(keyring, node, devices, new)]


def replace_node(keyring: Keyring, node: str, devices: Sequence[str], new: NewKey, reason: str) -> list[KeyBody]:
    """Another board in a node's place: its old key ends, the new one begins, in one step."""
    present = keyring.held_by(node)
    if present is None:
        raise RegistryError(f"{node} holds no key that counts; type: wayside keys enrol")
    if present.public == new.public:
        raise RegistryError(f"{node} holds this key already")
    return [_revocation(present, reason or "replaced"), _enrolment(keyring, node, devices, new)]


def admit_operator(keyring: Keyring, name: str, public: bytes) -> list[KeyBody]:
    """Somebody who may change the site file from afar; another key under the same name comes in its place."""
    check_public(public)
    known = keyring.get(key_id(public))
    if known and known.until is not None:
        raise RegistryError(f"key {known.kid.hex()} was revoked by entry {known.until}; make a new one")
    if known and (known.role, known.holder) != (OPERATOR, name):
        raise RegistryError(f"key {known.kid.hex()} is that of {known.holder or 'the ' + known.role}")
    if known:
        return []
    present = keyring.held_by(name, OPERATOR)
    ended = [_revocation(present, "replaced")] if present else []
    return [*ended, KeyBody(public, OPERATOR, (), REGISTERED, holder=name)]


def revoke(keyring: Keyring, what: str, reason: str) -> list[KeyBody]:
    """End a key for ever; `what`: a node's or operator's name or a key id in hexadecimal."""
    by_id = next((each for each in keyring if each.kid.hex() == what.lower()), None)
    found = by_id or keyring.held_by(what) or keyring.held_by(what, OPERATOR)
    if found is None:
        raise RegistryError(f"{what}: neither who holds a key nor a key id; type: wayside keys list")
    if found.until is not None:
        raise RegistryError(f"key {what} was revoked by entry {found.until} already")
    if found.role not in (NODE, OPERATOR):
        raise RegistryError(f"{what} is the gateway's own {found.role} key; type: wayside keys rotate")
    return [_revocation(found, reason)]


def carry_over(keyring: Keyring) -> list[KeyBody]:
    """What the first entries of a new epoch have to say of the keys of the epoch before, revoked ones included.

    Log keys that have ended are named with their certificates: who knows an old one follows the bridges to the new one.
    """
    bodies = []
    for key in keyring:
        if key.until is None or key.role == LOG:
            bodies.append(_body(_as_it_is(key), key))
        if key.until is not None:
            bodies.append(_revocation(key, key.reason))
    return bodies


def rotation(keyring: Keyring, old: bytes, new: bytes, bridge: Sequence[bytes]) -> list[KeyBody]:
    """The last entries of an epoch: its next log key with the bridge to it, then the end of the old one."""
    known = keyring.get(key_id(old))
    if known is None or known.until is not None:
        raise RegistryError(f"log key {key_id(old).hex()} is none that counts here")
    registered = KeyBody(new, LOG, (), REGISTERED, certificates=tuple(bridge))
    return [registered, _revocation(known, "rotated")]


@dataclass(frozen=True, slots=True)
class ReturnedCertificates:
    """What comes back from an owner, or from a registrar: certificates by `signer`, a 32-byte public key.

    root, registrar: where the signer is a registrar, the owner's key and the registrar's certificate by it.
    """

    signer: bytes
    certificates: tuple[bytes, ...]
    root: bytes = b""
    registrar: bytes = b""


def certify(keyring: Keyring, site: str, given: ReturnedCertificates) -> list[KeyBody]:
    """ReturnedCertificates of the site's keys, into the log; those that are there already are left."""
    if given.registrar:
        _check_registrar(site, given)
    bodies: dict[bytes, KeyBody] = {}
    for raw in given.certificates:
        wanted = _opened(raw, given.signer)
        key = keyring.get(key_id(wanted.public))
        if wanted.role == REGISTRAR_ROLE:
            then = "give it to him, for: wayside keys certify --registrar-certificate"
            raise RegistryError(f"this is the certificate of registrar {key_id(wanted.public).hex()}; {then}")
        if given.registrar and wanted.role != NODE_ROLE:
            raise RegistryError(f"a registrar certifies nodes, and this certifies a {wanted.role} key; ask the owner")
        if wanted.site != site or key is None or key.until is not None or key.role != wanted.role:
            whose = f"the {wanted.role} key {key_id(wanted.public).hex()} of {wanted.site}"
            then = "type: wayside keys request, and let the owner certify that"
            raise RegistryError(f"this certifies {whose}, which is no such key of {site}; {then}")
        chain = [raw, given.registrar] if given.registrar else [raw]
        if set(chain) - set(key.certificates):
            earlier = bodies[wanted.public].certificates if wanted.public in bodies else ()
            bodies[wanted.public] = _body(_as_it_is(key), key, [*earlier, *chain])
    return list(bodies.values())


def _check_registrar(site: str, given: ReturnedCertificates) -> None:
    registrar = _opened(given.registrar, given.root)
    if (registrar.site, registrar.role, registrar.public) != (site, REGISTRAR_ROLE, given.signer):
        whose = f"{registrar.role} key {key_id(registrar.public).hex()} of {registrar.site}"
        raise RegistryError(f"the registrar's certificate is for {whose}, not for who certified nodes of {site}")


def _opened(raw: bytes, signer: bytes) -> Certificate:
    try:
        return open_certificate(raw, signer)
    except EvidenceError as error:
        raise RegistryError(f"not a certificate by key {key_id(signer).hex()}: {error}") from None


def _as_it_is(key: Registration) -> Holder:
    return Holder(key.role, key.public, tuple(sorted(key.devices)), key.holder, dict(key.profiles))


def _revocation(key: Registration, reason: str) -> KeyBody:
    return KeyBody(key.public, key.role, (), REVOKED, holder=key.holder, reason=reason)


def _enrolment(keyring: Keyring, node: str, devices: Sequence[str], new: NewKey) -> KeyBody:
    check_public(new.public)
    known = keyring.get(key_id(new.public))
    if known and known.until is not None:
        raise RegistryError(
            f"key {known.kid.hex()} was revoked by entry {known.until}; let the board make a new key and enrol that"
        )
    if known and (known.role, known.holder) != (NODE, node):
        raise RegistryError(f"key {known.kid.hex()} is that of {known.holder or 'the ' + known.role}")
    assurance = 0
    if new.proof:
        try:
            proof = enrol.open_proof(new.proof, new.challenge, verifies)
        except WireError as error:
            raise RegistryError(f"the proof of possession does not hold: {error}") from None
        if proof.public != new.public:
            raise RegistryError("the proof of possession is for another key")
        assurance = proof.assurance
    return KeyBody(new.public, NODE, tuple(devices), REGISTERED, assurance, node, proof=new.proof)


class Doorkeeper:
    """Whose packs the running gateway takes.

    A key that is being revoked is refused from the moment on when its revocation is queued: every pack that comes later
    would stand behind that entry.
    """

    def __init__(self, keyring: Keyring):
        self.keyring = keyring
        self.ending: set[bytes] = set()

    def verify(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        """As wayside_wire.pack.open_pack asks for it; WireError when the key was never registered."""
        return self.keyring.verify(kid, message, signature)

    def key_id_of(self, node: str) -> bytes | None:
        """The key id of the key that `node` holds now."""
        held = self.keyring.held_by(node)
        return held.kid if held else None

    def public_key_of(self, node: str) -> bytes | None:
        """The public key that `node` holds now, None when it holds none that counts."""
        held = self.keyring.held_by(node)
        return held.public if held and held.kid not in self.ending else None

    def admit(self, kid: bytes, node: str, device: str) -> None:
        """EvidenceError unless `node` may speak for `device` with this key now."""
        key = self.keyring.check(kid, device, "device")
        if key.holder != node:
            raise EvidenceError(f"key {kid.hex()} does not belong to node {node}")
        if kid in self.ending:
            raise EvidenceError(f"key {kid.hex()} is being revoked")
