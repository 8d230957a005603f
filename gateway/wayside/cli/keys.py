"""`wayside keys ...`: the keys of the owner, of the gateway and of its nodes, from the bench to the scrap heap.

Exit status: 0 done, 1 it cannot be done and the text says why, 2 a file cannot be read or the command line is wrong.
"""

import argparse
import getpass
import os
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from wayside import config
from wayside.clock import SystemClock
from wayside.config import SiteFile
from wayside.daemon import manage
from wayside.evidence.bundle import GATEWAY_STREAM
from wayside.evidence.entry import Kind, decode_entry, encode_entry
from wayside.evidence.keyring import Registration
from wayside.evidence.note import ED25519, NoteKey
from wayside.log import Append, LogError, LogReader
from wayside.site import log as site_log
from wayside.trust import backup, owner
from wayside.trust.changes import Request, bodies_for
from wayside.trust.keys import KeyFileError, SoftwareKey, load, load_or_create, write_private
from wayside.trust.registry import RegistryError, read_keyring

_DAEMON_KEYS = ("identity", "log")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("keys", help="make, certify, enrol, replace, revoke, rotate and back up keys")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, function: Any, help_text: str, site: bool = True) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=help_text)
        made.set_defaults(function=function)
        if site:
            made.add_argument("site", type=Path, metavar="SITE", help="the site file")
        return made

    made = verb("make", _make, "make the owner's root key, kept away from every network, or an operator's", site=False)
    made.add_argument("file", type=Path, metavar="FILE")
    made = verb("request", _request, "write the file by which the owner certifies this site's keys")
    made.add_argument("file", type=Path, metavar="FILE")
    made = verb("certify", _certify, "the owner certifies the keys of a request", site=False)
    made.add_argument("request", type=Path, metavar="REQUEST")
    made.add_argument("file", type=Path, metavar="FILE", help="where the certificates go")
    made.add_argument("--root", type=Path, required=True, metavar="FILE", help="the owner's root key")
    made = verb("install", _install, "put the owner's certificates into the log")
    made.add_argument("file", type=Path, metavar="FILE")
    verb("list", _list, "every key that the log knows, and since when until when it counts")
    for name, text in (("enrol", "a node's first key"), ("replace", "another board in a node's place")):
        made = verb(name, partial(change_node, name), text)
        made.add_argument("node", metavar="NODE")
        made.add_argument("public", metavar="KEY", help="the 64 hexadecimal digits that the node prints")
        made.add_argument("--challenge", default="", metavar="HEX", help="what the node's proof answers")
        made.add_argument("--proof", default="", metavar="HEX", help="the node's proof that it holds the key")
        made.add_argument("--reason", default="", help="for the log, such as: struck by lightning")
    made = verb("operator", _operator, "somebody who may change the site file from afar: wayside config push")
    made.add_argument("name", metavar="NAME")
    made.add_argument("public", metavar="KEY", help="the 64 hexadecimal digits that `wayside keys make` prints")
    made = verb("revoke", _revoke, "end the key of a node or an operator for ever, from this point of the log on")
    made.add_argument("key", metavar="NAME-OR-KEY-ID")
    made.add_argument("--reason", required=True, help="for the log, such as: board returned")
    made = verb("lost", _revoke, "a board is lost or stolen: its key ends now")
    made.add_argument("key", metavar="NODE-OR-KEY-ID")
    made.set_defaults(reason="lost")
    made = verb("rotate", _rotate, "a new key for the gateway, which must be stopped")
    made.add_argument("which", choices=_DAEMON_KEYS)
    for name, function, text in (
        ("backup", _backup, "the gateway's keys into one file under a passphrase"),
        ("restore", _restore, "the gateway's keys out of a backup"),
    ):
        made = verb(name, function, text)
        made.add_argument("file", type=Path, metavar="FILE")
        made.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for it")


def run(args: argparse.Namespace) -> int:
    try:
        if hasattr(args, "site"):
            args.path, args.site = args.site, config.load(args.site)
        args.function(args)
    except (RegistryError, LogError, KeyFileError, owner.OwnerFileError) as error:
        print(f"wayside keys: {error}", file=sys.stderr)
        return 1
    except (config.ConfigError, OSError) as error:
        print(f"wayside keys: {error}", file=sys.stderr)
        return 2
    return 0


# --- the owner ---


def _make(args: argparse.Namespace) -> None:
    if args.file.exists():
        raise KeyFileError(f"{args.file} is there already; a key is not overwritten")
    key = load_or_create(args.file)
    print(f"public key   {key.public.hex()}")
    print(f"fingerprint  {owner.fingerprint(key.public)}")
    print(f"{args.file} holds the private key and nothing else does: copy it to a second safe place.")


def _request(args: argparse.Namespace) -> None:
    keys = _gateway_keys(args)
    _write(args.file, owner.make_request(args.site.site.name, {"log": keys["log"], "gateway": keys["identity"]}))
    for role, key in (("log", keys["log"]), ("gateway", keys["identity"])):
        print(f"{role:8} {owner.fingerprint(key.public)}")
    print(f"{args.file}: take it to the owner, who types: wayside keys certify {args.file.name} FILE --root ROOT")


def _certify(args: argparse.Namespace) -> None:
    root = load(args.root)
    request = owner.read_request(args.request.read_bytes())
    print(f"site     {request.site}")
    for role, public in request.keys.items():
        print(f"{role:8} {owner.fingerprint(public)}")
    _write(args.file, owner.certify(request, root, time.time_ns() // 1_000_000))
    print(f"{args.file}: certified by root {owner.fingerprint(root.public)}; compare the lines above with the site's.")


def _install(args: argparse.Namespace) -> None:
    _change(args, owner.read_certificates(args.file.read_bytes()))


# --- nodes ---


def change_node(do: str, args: argparse.Namespace) -> None:
    """Enrol or replace a node's key."""
    fields = {"node": args.node, "public": args.public, "challenge": args.challenge, "proof": args.proof}
    _change(args, {"do": do, "reason": args.reason, **fields})


def _operator(args: argparse.Namespace) -> None:
    _change(args, {"do": "operator", "name": args.name, "public": args.public})


def _revoke(args: argparse.Namespace) -> None:
    _change(args, {"do": "revoke", "key": args.key, "reason": args.reason})


def _change(args: argparse.Namespace, request: Request) -> None:
    """Through the running gateway, or by ourselves when there is none."""
    answer = manage.ask(site_log.state_folder(args.site, args.path) / manage.SOCKET, request)
    if answer is None:
        count = _change_alone(args, request)
    elif answer.get("ok"):
        count = int(answer["entries"])
    else:
        raise RegistryError(str(answer.get("error")))
    written = "1 entry" if count == 1 else f"{count} entries"
    print(f"done: {written} in the log" if count else "nothing to do: the log says so already")


def _change_alone(args: argparse.Namespace, request: Request) -> int:
    site: SiteFile = args.site
    opened = _open(args)
    try:
        bodies = bodies_for(request, opened.keyring, site.site.name, site_log.devices_of_nodes(site))
        clock = SystemClock()
        now = (clock.utc_ms(), clock.time_quality())
        if bodies:
            opened.log.append([Append(GATEWAY_STREAM, encode_entry(Kind.KEY, *now, body)) for body in bodies])
        return len(bodies)
    finally:
        opened.log.close()


def _open(args: argparse.Namespace) -> site_log.SiteLog:
    return site_log.open_site_log(args.site, args.path, SystemClock())


def _list(args: argparse.Namespace) -> None:
    log = LogReader(site_log.state_folder(args.site, args.path) / "log")
    try:
        keyring = read_keyring(log)
        print(f"{'holder':16} {'role':8} {'key id':16} {'class':5} {'since':32} until")
        for key in keyring:
            print(f"{key.holder or args.site.site.name:16} {key.role:8} {key.kid.hex()} C{key.assurance:<4}", end=" ")
            until = f"{_place(log, key.until)} {key.reason}".rstrip() if key.until is not None else "-"
            print(f"{_place(log, key.since):32} {until}")
            if key.devices:
                print(f"{'':16} for {_devices(key)}")
    finally:
        log.close()


def _devices(key: Registration) -> str:
    named = dict(key.profiles)
    return ", ".join(f"{device} ({named[device]})" if device in named else device for device in sorted(key.devices))


def _place(log: LogReader, index: int) -> str:
    entry = decode_entry(log.records(index, 1)[0].entry)
    when = datetime.fromtimestamp(entry.logged_at_ms / 1000, UTC).isoformat(timespec="seconds")
    return f"entry {index}, {when.replace('+00:00', 'Z')}"


# --- the gateway's own keys ---


def _gateway_keys(args: argparse.Namespace) -> dict[str, SoftwareKey]:
    state = site_log.state_folder(args.site, args.path)
    return {name: load(state / f"{name}.key") for name in _DAEMON_KEYS}


def _rotate(args: argparse.Namespace) -> None:
    if manage.ask(site_log.state_folder(args.site, args.path) / manage.SOCKET, {}) is not None:
        raise RegistryError("the gateway runs; stop it first, and start it again afterwards")
    if os.environ.get("CREDENTIALS_DIRECTORY"):
        raise KeyFileError("the keys are systemd's credentials; make the new key where those are kept")
    opened = _open(args)
    try:
        if args.which == "identity":
            key = site_log.rotate_identity(opened, args.site, args.path, SystemClock())
        else:
            key = site_log.rotate_log_key(opened, args.site, args.path, SystemClock())
            print(f"verifier key {NoteKey(opened.log.origin, ED25519, key.public)}")
            print("Give it to receivers and witnesses; with the old key evidence verifies over the bridge.")
    finally:
        opened.log.close()
    print(f"{args.which} key  {owner.fingerprint(key.public)}")
    print("The owner has to certify it: wayside keys request. A backup has to be made again: wayside keys backup.")


def _backup(args: argparse.Namespace) -> None:
    state = site_log.state_folder(args.site, args.path)
    for key_name in _DAEMON_KEYS:
        load(state / f"{key_name}.key")
    seeds = {name: (state / f"{name}.key").read_bytes() for name in _DAEMON_KEYS}
    _write(args.file, backup.encode_backup(seeds, _passphrase(args, twice=True)))
    print(f"{args.file}: the keys {' and '.join(seeds)}; without the passphrase it is worth nothing.")


def _restore(args: argparse.Namespace) -> None:
    state = site_log.state_folder(args.site, args.path)
    state.mkdir(parents=True, exist_ok=True)
    for name, seed in backup.decode_backup(args.file.read_bytes(), _passphrase(args)).items():
        written = backup.restore_key(state / f"{name}.key", seed) if name in _DAEMON_KEYS else False
        print(f"{name}: {'restored' if written else 'is there already'}")


def _passphrase(args: argparse.Namespace, twice: bool = False) -> bytes:
    if args.passphrase_file:
        return bytes(args.passphrase_file.read_bytes().strip())
    first = getpass.getpass("passphrase: ")
    if twice and getpass.getpass("again: ") != first:
        raise KeyFileError("the two differ; nothing was written")
    return first.encode()


def _write(path: Path, data: bytes) -> None:
    """A new file with mode 0600; what is there is not overwritten."""
    try:
        write_private(path, data)
    except FileExistsError:
        raise KeyFileError(f"{path} is there already; write another name") from None
