"""The judgement on how an epoch began: what its first entry says of the log before it, and who signed that."""

from collections.abc import Sequence
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import LOG_ROLE, Trust, certificates_by, claims_of
from wayside.evidence.epoch import check_beginning, opener
from wayside.evidence.finding import Findings, with_problems
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import LOG, EpochBody
from wayside.evidence.note import Checkpoint
from wayside.evidence.origin import Origin


def log_keys_before(site: str, trust: Trust, keyring: Keyring) -> set[bytes]:
    """The log keys that may have signed what an epoch of `site` goes on from.

    Those that the reader trusts, and those from which a bridge leads to one of them: an epoch that begins with another
    key names a checkpoint by the one before it, and says by the bridge that both are its own.
    """
    keys = {key.public: key for key in keyring if key.role == LOG}
    offered = {public: [raw for _, raw in keyring.certificates(key.kid)] for public, key in keys.items()}
    by_id = {key.kid: public for public, key in keys.items()}
    counting = set(trust.log_keys_of(site, offered))
    ahead = [public for public in counting if public in offered]
    while ahead:  # each is asked once by whom it was certified, however long the way back
        public = ahead.pop()
        wanted = (site, LOG_ROLE, public)
        named = [by_id[kid] for kid in claims_of(offered[public], wanted) if kid in by_id]
        by = certificates_by(offered[public], named, wanted)
        earlier = by.keys() - counting if public in by else set()
        counting |= earlier
        ahead += earlier
    return counting


def misplaced(own: Origin, told: Sequence[tuple[int, EpochBody]], is_begun: bool) -> list[str]:
    """What is wrong with where the epoch entries of the log `own` stand, as (index, body).

    is_begun: whether the log's first entry is here.
    """
    found = [f"entry {index} says how the log began, and is not its first" for index, _ in told if index]
    if not own.epoch and any(index == 0 for index, _ in told):
        found.append("the first epoch follows on no log, but entry 0 says so")
    if own.epoch and is_begun and not any(index == 0 for index, _ in told):
        found.append("entry 0 does not say how the log before it ended")
    return found


def judge_beginning(
    own: Origin,
    told: Sequence[tuple[int, EpochBody]],
    is_begun: bool,
    trust: Trust,
    keyring: Keyring,
    findings: Findings,
) -> None:
    """The finding `epoch`; none where the log is its site's first and says nothing else. Parameters: see misplaced."""
    if not own.epoch and not told:
        return
    problems = misplaced(own, told, is_begun)
    if own.epoch and not is_begun:
        problems.append("how it began is not in this file")
    body = next((body for index, body in told if index == 0), None)
    if body is None or not own.epoch:
        findings.say("epoch", False, with_problems(f"this is {own}", problems))
        return
    shown: list[Checkpoint] = []
    try:
        proven = check_beginning(body, own, opener(log_keys_before(own.site, trust, keyring)))
        shown = proven[1 if body.note else 0 :]
    except EvidenceError as error:
        problems.append(str(error))
    text = f"goes on from {body.before} with {body.size} entries: {body.cause}"
    if body.note is None:
        text += "; nobody signed that size and root, the gateway says them"
    if body.shown:
        also = ", ".join(f"{each.size} of {each.origin}" for each in shown) or f"{len(body.shown)} checkpoints"
        text += f"; entries are lost, or two had the key: witnesses also showed {also}"
    facts: dict[str, Any] = {"before": body.before, "size": body.size, "root": body.root.hex(), "cause": body.cause}
    facts["signed"] = body.note is not None and not problems
    facts["shown"] = [[each.origin, each.size] for each in shown]
    findings.say("epoch", not problems, with_problems(text, problems), **facts)
