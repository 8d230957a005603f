"""`wayside verify FILE`: judge an evidence file, offline, by the log's public key or the owner's.

A fraud proof, as a witness or a receiver writes it, and the proof of one entry (C2SP tlog-proof) are judged too. Exit
status: 0 everything holds, 1 something does not, 2 the file or a key cannot be read, 3 fraud is proven.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.bundle import read_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.ed25519 import check_public
from wayside.evidence.finding import SHOWN, Demands, Finding, lines, printable, proves_fraud, with_problems
from wayside.evidence.fraud import Fraud, prove_fraud, read_fraud
from wayside.evidence.fraud_batches import BatchFraud, prove_batch_fraud, read_batch_fraud
from wayside.evidence.judge import COMPLETE
from wayside.evidence.kinds import MAX_CLASS
from wayside.evidence.note import NoteError, NoteKey, parse_log_key
from wayside.evidence.policy import WitnessPolicy, parse_policy
from wayside.evidence.proof import HEADER, parse_proof
from wayside.evidence.verify import verify_bundle, verify_proof
from wayside.text.reason import reason

FRAUD_PROVEN = "FRAUD PROVEN: the log's key signed what contradicts itself; this file is the proof of it."

_HOLDS_NOT = "Verdict: this evidence does NOT hold."
_NO_CERTIFICATES = (
    "a proof of one entry holds no certificates, so --root alone cannot judge it. Write --key with the log's verifier "
    "key, or ask for an evidence file of the device, which --root can judge"
)
_FORMAT = "wayside-verdict/1"
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_KEY_FILE = 4096  # bytes


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("verify", help="verify an evidence file, offline")
    parser.add_argument("file", type=Path, metavar="FILE")
    add_trust(parser)
    parser.add_argument("--json", action="store_true", help="the judgement for programs (docs/verify.md)")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The arguments that say whom the reader trusts and what he asks for: see read_trust and read_demands."""
    key_help = "the log's verifier key, SITE/log/EPOCH+ID+BASE64, or a file with it; stands for all epochs of its site"
    parser.add_argument("--key", help=key_help)
    root_help = "a root key of the owner: 64 hexadecimal digits, or a file with them; repeatable"
    parser.add_argument("--root", action="append", default=[], metavar="KEY", help=root_help)
    parser.add_argument("--roots", type=_count, default=1, metavar="K", help="how many of the root keys must agree")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="logs and witnesses that count (tlog-policy)")
    fresh_help = "how old the newest checkpoint of the witnesses may be, such as 2h or 7d; needs --policy"
    parser.add_argument("--fresh", type=_duration, metavar="DURATION", help=fresh_help)
    class_help = "lowest assurance class, proven, C0 to C4; needs --root"
    parser.add_argument("--min-class", type=_assurance, metavar="C", help=class_help)


def read_trust(args: argparse.Namespace) -> tuple[Trust, WitnessPolicy | None]:
    """Whom the arguments trust; EvidenceError or OSError when they cannot be read or trust nobody.

    Trusted is exactly what is named: the key, or without one the logs of the policy, and what the roots certify.
    """
    policy = parse_policy(_read(args.policy)) if args.policy else None
    roots = {read_root(text) for text in args.root}
    if (roots or args.roots != 1) and not 1 <= args.roots <= len(roots):
        raise EvidenceError(f"--roots {args.roots}: {len(roots)} root keys are given; write a number from 1 to that")
    keys = log_keys(args.key, policy)
    if not keys and not roots:
        raise EvidenceError("whom do you trust? Write --key with the log's verifier key, or --root with the owner's")
    return Trust.in_keys(keys, roots, args.roots), policy


def log_keys(key: str | None, policy: WitnessPolicy | None) -> Sequence[NoteKey]:
    """The log keys that the arguments name themselves."""
    named = policy.logs if policy else []
    if not key:
        return named
    own = read_key(key)
    if named and Trust.in_key(own).logs.isdisjoint(Trust.in_keys(named).logs):
        raise EvidenceError(f"--key {own.name}: the policy names other logs, and not this one")
    return [own]


def read_demands(args: argparse.Namespace, policy: WitnessPolicy | None) -> Demands:
    """What the arguments ask for beyond truth; EvidenceError when that cannot be told without a policy."""
    if args.fresh is not None and policy is None:
        raise EvidenceError("--fresh: how fresh evidence is only witnesses can tell; name them with --policy")
    return Demands(policy, args.min_class, args.fresh, int(time.time()))


def run(args: argparse.Namespace) -> int:
    try:
        trust, policy = read_trust(args)
        fraud = read_batch_fraud(args.file) or read_fraud(args.file)
        if fraud:
            return _judge_fraud(fraud, log_keys(args.key, policy), args.json)
        demands = read_demands(args, policy)
        if _is_proof(args.file):
            if not trust.logs:
                raise EvidenceError(f"{args.file}: {_NO_CERTIFICATES}")
            holds, findings = verify_proof(parse_proof(args.file.read_bytes()), trust, demands)
        else:
            holds, findings = verify_bundle(read_bundle(args.file), trust, demands, os.cpu_count() or 1)
    except (EvidenceError, OSError) as error:
        print(f"wayside verify: {reason(error)}", file=sys.stderr)
        return 2
    fraudulent = proves_fraud(findings)
    if args.json:
        print(json.dumps(verdict(holds, findings), indent=1))
    else:
        print("\n".join(lines(findings)))
        if fraudulent:
            print(FRAUD_PROVEN)
        print(f"Verdict: everything holds.{_not_complete(findings)}" if holds else _HOLDS_NOT)
    return 3 if fraudulent else 0 if holds else 1


def _not_complete(findings: Sequence[Finding]) -> str:
    """Of which devices more is to be asked for, although all that is here holds; "" when of none."""
    states = [(each.device, each.facts["state"]) for each in findings if each.check == "sequence"]
    named = [f"{device} is {state}" for device, state in states if state != COMPLETE]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return printable(f" True is not complete: {', '.join(named[:SHOWN])}{more}.") if named else ""


def _is_proof(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER.encode()


def verdict(holds: bool, findings: list[Finding]) -> dict[str, Any]:
    """The judgement for programs; docs/verify.md names the fields, which stay."""
    all_findings = [asdict(each) for each in findings]
    return {"format": _FORMAT, "holds": holds, "fraud": proves_fraud(findings), "findings": all_findings}


def _judge_fraud(fraud: Fraud | BatchFraud, keys: Sequence[NoteKey], as_json: bool) -> int:
    if not keys:
        raise EvidenceError("a fraud proof is judged by the log's key; write --key, or --policy with one that names it")
    proven, text = False, ""
    for key in keys:
        try:
            text = _proven_batches(fraud, key) if isinstance(fraud, BatchFraud) else _proven(fraud, key)
        except EvidenceError as error:
            text = text or str(error)
            continue
        proven = True
        break
    if as_json:
        print(json.dumps({"format": _FORMAT, "holds": False, "fraud": proven, "text": text}, indent=1))
    else:
        print(printable(f"FRAUD PROVEN: {text}" if proven else f"This fraud proof proves nothing: {text}"))
    return 3 if proven else 1


def _proven(fraud: Fraud, key: NoteKey) -> str:
    """What a witness's proof shows; EvidenceError when it shows nothing."""
    first, second = prove_fraud(fraud, key)
    text = f"{first.origin} signed two histories of {first.size} entries: {first.root.hex()} and {second.root.hex()}"
    return text + ("" if first.root != second.root else ", with different heads of its streams")


def _proven_batches(fraud: BatchFraud, key: NoteKey) -> str:
    """What a receiver's proof shows; EvidenceError when it shows nothing."""
    origin, problems = prove_batch_fraud(fraud, key)
    return with_problems(f"{origin} signed what cannot be: {problems[0]}", problems[1:])


def read_key(text: str) -> NoteKey:
    """The log's verifier key, as text or in a file; EvidenceError says what to write."""
    word = _word(text)
    if "+" not in word:
        found = "digits alone have no name, and would stand for any log" if _hexadecimal(word) else "this is no key"
        raise NoteError(f"--key {text[:100]!r}: {found}. {_WHERE}")
    try:
        return parse_log_key(word)
    except EvidenceError as error:
        raise NoteError(f"--key {text[:100]!r}: {error}. {_WHERE}") from None


def read_root(text: str) -> bytes:
    """The 32 bytes of an owner's root key, as text or in a file; EvidenceError says what to write."""
    public = _hexadecimal(_word(text))
    if public is None:
        raise NoteError(
            f"--root {text[:100]!r}: neither 64 hexadecimal digits nor a file with them; "
            "`wayside keys make` printed them as the public key"
        )
    try:
        check_public(public)
    except EvidenceError as error:
        raise NoteError(f"--root {text[:100]!r}: {error}") from None
    return public


_WHERE = (
    "Write the log's verifier key, SITE/log/EPOCH+ID+BASE64, or a file with it; "
    "its gateway prints it with `wayside keys show SITE`, and its operator gives it to you by a way that you trust"
)


def _word(text: str) -> str:
    """The text itself, or what is in the file of this name."""
    try:
        is_file = Path(text).is_file()
    except (OSError, ValueError):  # no name that a file can have
        is_file = False
    if not is_file:
        return text.strip()
    data = _read(Path(text), _MAX_KEY_FILE)
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        private = "; its 32 bytes look like a private key, which no verifier needs" if len(data) == 32 else ""
        why = f"this file is not text, so it holds no public key{private}"
        raise NoteError(f"{text[:100]!r}: {why}. Write the public key that `wayside keys make` printed") from None


def _read(path: Path, limit: int = 1 << 20) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise EvidenceError(f"{path}: over {limit} bytes, so it is no file of this kind")
    return data


def _hexadecimal(text: str) -> bytes | None:
    """The 32 bytes of 64 hexadecimal digits; None for anything else."""
    return bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else None


def _count(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,3}", text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number of keys; write 1 or more")


def _duration(text: str) -> int:
    """Seconds of a duration such as 90s, 30m, 2h or 7d."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no duration; write a number and s, m, h or d, such as 2h")
    return int(match[1]) * _SECONDS[match[2]]


def _assurance(text: str) -> int:
    if len(text) == 2 and text[0] in "cC" and text[1] in "01234"[: MAX_CLASS + 1]:
        return int(text[1])
    raise argparse.ArgumentTypeError(f"{text[:20]!r} is no assurance class; write C0 to C{MAX_CLASS}")
