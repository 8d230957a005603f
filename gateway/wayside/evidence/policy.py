"""Which logs count and which witnesses must have co-signed: C2SP tlog-policy files, read and applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wayside.evidence import EvidenceError
from wayside.evidence.note import COSIGNATURE, ED25519, Note, NoteError, NoteKey, parse_key
from wayside.evidence.origin import parse_origin

MAX_POLICY = 64 * 1024  # bytes

_NONE = "none"


class PolicyError(EvidenceError):
    """A policy file that is not in form; the text names the line."""


@dataclass(frozen=True, slots=True)
class WitnessGroup:
    """At least `threshold` of `members` (witnesses or groups) must have witnessed."""

    threshold: int
    members: tuple[str, ...]


@dataclass(slots=True)
class WitnessPolicy:
    """A policy file. `urls`: where witnesses are asked, by their name in the file."""

    logs: list[NoteKey] = field(default_factory=list)
    witnesses: dict[str, NoteKey] = field(default_factory=dict)
    groups: dict[str, WitnessGroup] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    quorum: str = ""

    def cosigned(self, note: Note) -> set[str]:
        """The witnesses whose cosignature is on the note; NoteError when one of them does not verify."""
        found = set()
        for name, key in self.witnesses.items():
            if any(each.name == key.name and each.key_id == key.key_id for each in note.signatures):
                note.verified_by(key)
                found.add(name)
        return found

    def met_by(self, witnesses: set[str]) -> bool:
        """Whether these witnesses are a quorum."""
        met = set(witnesses)
        for name, group in self.groups.items():  # each after its members, so that no nesting is too deep
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(name)
        return self.quorum == _NONE or self.quorum in met


def fresh(times_s: Mapping[str, int], newest_allowed_s: int, oldest_allowed_s: int) -> set[str]:
    """The witnesses whose cosignatures are of a time in [oldest_allowed_s, newest_allowed_s], seconds since 1970.

    times_s: by the witness's name, as cosigned_at tells it. Who asks for freshness asks whether these are a quorum:
    newest_allowed_s is then his own clock's time and what it may be wrong, oldest_allowed_s that less the age he takes.
    """
    return {name for name, time_s in times_s.items() if oldest_allowed_s <= time_s <= newest_allowed_s}


def parse_policy(data: bytes) -> WitnessPolicy:
    """The policy in a file's bytes; PolicyError when it is not in form."""
    if len(data) > MAX_POLICY:
        raise PolicyError(f"a policy of {len(data)} bytes is over {MAX_POLICY}")
    if any((byte < 0x20 and byte not in (0x09, 0x0A)) or byte == 0x7F for byte in data):
        raise PolicyError("a policy has no control characters but tab and newline")
    if data and not data.endswith(b"\n"):
        raise PolicyError("the last line has no end: the file may be cut off")
    policy = WitnessPolicy()
    # The specification calls names opaque octets; surrogates carry those that are not UTF-8.
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        words = line.replace("\t", " ").strip(" ").split(" ")
        words = [word for word in words if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            _take(policy, words[0], words[1:])
        except (EvidenceError, UnicodeError) as error:
            raise PolicyError(f"line {number}: {error}") from None
    if not policy.quorum:
        raise PolicyError("there is no quorum line; write 'quorum none' when no witness is needed")
    return policy


def _take(policy: WitnessPolicy, keyword: str, words: list[str]) -> None:
    if keyword == "log" and 1 <= len(words) <= 2:
        key = _key(words[0], ED25519, policy.logs)
        parse_origin(key.name)  # a name that no log has would count for none, or for any
        policy.logs.append(key)
    elif keyword == "witness" and 2 <= len(words) <= 3:
        name = _new_name(policy, words[0])
        policy.witnesses[name] = _key(words[1], COSIGNATURE, policy.witnesses.values())
        if len(words) == 3:
            policy.urls[name] = words[2]
    elif keyword == "group" and len(words) >= 3:
        name = _new_name(policy, words[0])
        policy.groups[name] = _group(policy, words[1], words[2:])
    elif keyword == "quorum" and len(words) == 1:
        if policy.quorum:
            raise PolicyError("a second quorum line")
        if words[0] != _NONE:
            _known(policy, words[0])
        policy.quorum = words[0]
    else:
        raise PolicyError(f"'{keyword}' with {len(words)} words is none of log, witness, group and quorum")


def _key(text: str, kind: int, others: Iterable[NoteKey]) -> NoteKey:
    key = parse_key(text)
    if key.kind != kind:
        raise NoteError("the key is of the wrong type: logs sign with type 1, witnesses with type 4")
    if any(each.public == key.public for each in others):
        raise PolicyError("this key is there already")
    return key


def _group(policy: WitnessPolicy, threshold: str, members: list[str]) -> WitnessGroup:
    for member in members:
        _known(policy, member)
        if any(member in group.members for group in policy.groups.values()) or members.count(member) > 1:
            raise PolicyError(f"{member} is a member already")
    counts = {"any": 1, "all": len(members)}
    if threshold.isascii() and threshold.isdigit() and len(threshold) < 6 and not threshold.startswith("0"):
        counts[threshold] = int(threshold)
    if not 1 <= counts.get(threshold, 0) <= len(members):
        raise PolicyError(f"{threshold} of {len(members)} members cannot be; write all, any or a number up to that")
    return WitnessGroup(counts[threshold], tuple(members))


def _new_name(policy: WitnessPolicy, name: str) -> str:
    if name == _NONE or name in policy.witnesses or name in policy.groups:
        raise PolicyError(f"the name {name} is taken")
    return name


def _known(policy: WitnessPolicy, name: str) -> None:
    if name not in policy.witnesses and name not in policy.groups:
        raise PolicyError(f"{name} is not defined on a line before this one")
