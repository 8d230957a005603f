"""`wayside keys ...`: the keys of the owner, of the gateway and of its nodes, from the bench to the scrap heap.

Exit status: 0 done, 1 it cannot be done and the text says why, 2 a file cannot be read or the command line is wrong.
"""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from wayside.cli import verifier_key
from wayside.cli.key_list import key_list, until_text
from wayside.daemon import manage
from wayside.daemon.change_keys import change_keys
from wayside.evidence import EvidenceError
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import MAX_CLASS, NODE
from wayside.evidence.note import ED25519, NoteKey
from wayside.log import LogError, LogReader
from wayside.runtime.clock import SystemClock
from wayside.site import config, state
from wayside.site import log as site_log
from wayside.site.config import SiteFile
from wayside.text.reason import reason
from wayside.trust import backup, owner
from wayside.trust.keys import KeyFileError, load, load_or_create, write_private
from wayside.trust.registry import RegistryError, align, read_keyring

_DAYS = 1095
_AT_ONCE = 32  # certificates that are asked for in one line of the gateway's socket


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
    made = verb("certify", _certify, "the owner, or a registrar, certifies the keys of a request", site=False)
    made.add_argument("request", type=Path, metavar="REQUEST")
    made.add_argument("file", type=Path, metavar="FILE", help="where the certificates go")
    made.add_argument("--root", type=Path, required=True, metavar="FILE", help="the owner's root key, or a registrar's")
    registrar_help = "what the owner gave the registrar who certifies here: nodes, and nothing else"
    made.add_argument("--registrar-certificate", type=Path, metavar="FILE", help=registrar_help)
    made.add_argument("--without-nodes", action="store_true", help="leave the nodes to a registrar")
    class_help = "the class that is vouched for, instead of what the node's proof says; repeatable"
    made.add_argument("--class", type=_node_class, action="append", default=[], dest="classes", metavar="NODE=C",
                      help=class_help)
    _add_days(made)
    made = verb("registrar", _registrar, "the owner lets somebody certify the nodes of a site", site=False)
    made.add_argument("name", metavar="SITE-NAME", help="as its site file has it")
    made.add_argument("public", metavar="KEY", help="the 64 hexadecimal digits that `wayside keys make` prints")
    made.add_argument("file", type=Path, metavar="FILE", help="where the registrar's certificate goes")
    made.add_argument("--root", type=Path, required=True, metavar="FILE", help="the owner's root key")
    _add_days(made)
    made = verb("install", _install, "put certificates into the log")
    made.add_argument("file", type=Path, metavar="FILE")
    verb("show", _show, "print the log's verifier key: what readers of evidence, receivers and witnesses want")
    verb("list", _list, "every key that the log knows, and since when until when it counts")
    for name, text in (("enrol", "a node's first key"), ("replace", "another board in a node's place")):
        made = verb(name, partial(change_node, name), text)
        made.add_argument("node", metavar="NODE")
        made.add_argument("public", metavar="KEY", help="the 64 hexadecimal digits that the node prints")
        made.add_argument("--challenge", default="", metavar="HEX", help="the challenge that the node's proof answers")
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
    made.add_argument("which", choices=state.NAMES)
    for name, function, text in (
        ("backup", _backup, "the gateway's keys into one file under a passphrase"),
        ("restore", _restore, "the gateway's keys out of a backup"),
    ):
        made = verb(name, function, text)
        made.add_argument("file", type=Path, metavar="FILE")
        made.add_argument("--passphrase-file", type=Path, metavar="FILE", help="instead of asking for it")


def _add_days(made: argparse.ArgumentParser) -> None:
    help_text = f"how long it counts (default {_DAYS}); 0: without an end"
    made.add_argument("--days", type=_days, default=_DAYS, metavar="N", help=help_text)


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write a number of days, 0 to 99999")


def _node_class(text: str) -> tuple[str, int]:
    node, _, assurance = text.rpartition("=")
    if node and assurance[:1] in ("c", "C") and assurance[1:] in map(str, range(MAX_CLASS + 1)):
        return node, int(assurance[1:])
    raise argparse.ArgumentTypeError(f"{text!r}: write NODE=C0 to NODE=C{MAX_CLASS}")


def run(args: argparse.Namespace) -> int:
    try:
        if hasattr(args, "site"):
            args.path, args.site = args.site, config.load_without_profiles(args.site)
        args.function(args)
    except (RegistryError, LogError, KeyFileError, owner.OwnerFileError) as error:
        print(f"wayside keys: {reason(error)}", file=sys.stderr)
        return 1
    except (config.SiteFileError, OSError) as error:
        print(f"wayside keys: {reason(error)}", file=sys.stderr)
        return 2
    return 0


# --- the owner ---


def _make(args: argparse.Namespace) -> None:
    if args.file.exists():
        there = load(args.file).public.hex()
        raise KeyFileError(f"{args.file} is there already, with the public key {there}; a key is not overwritten")
    key = load_or_create(args.file)
    print(f"public key   {key.public.hex()}")
    print(f"fingerprint  {owner.fingerprint(key.public)}")
    print(f"{args.file} holds the private key and nothing else does: copy it to a second safe place.")


def _request(args: argparse.Namespace) -> None:
    site: SiteFile = args.site
    with state.keys_locked(state.state_folder(site, args.path)):
        keys = state.gateway_keys(site, args.path)
    own = {"log": keys.log, "gateway": keys.identity}
    held = [each for each in _keyring(args, keys) if each.role == NODE and each.until is None]
    nodes = [owner.NodeKey(each.holder, each.public, each.proof) for each in held]
    data = owner.make_request(site.site.name, own, nodes)
    _print_asked(owner.read_request(data).keys)
    _write(args.file, data)
    print(f"{args.file}: take it to the owner, who types: wayside keys certify {args.file.name} FILE --root ROOT")


def _keyring(args: argparse.Namespace, keys: state.GatewayKeys) -> Keyring:
    """What the log says of the keys; before the first run, what the site file will have it say."""
    folder = state.state_folder(args.site, args.path) / "log"
    keyring = Keyring()
    if state.newest_signed(folder) is not None:
        log = LogReader(folder)
        try:
            keyring = read_keyring(log)
        finally:
            log.close()
    holders = site_log.holders(args.site, keys.identity, keys.log)
    for index, body in enumerate(align(keyring, holders)[0]):
        keyring.take(state.BEHIND_THE_LOG + index, body)
    return keyring


def _print_asked(keys: Iterable[owner.Asked]) -> None:
    for each in keys:
        proof = f"C{each.assurance}" if each.is_proven else "C0, NO PROOF: compare it with what the board prints"
        print(f"{each.name:16} {owner.fingerprint(each.public)}" + (f"  {proof}" if each.role == NODE else ""))


def _certify(args: argparse.Namespace) -> None:
    signer = load(args.root)
    request = owner.read_request(_read(args.request))
    registrar = owner.read_registrar(_read(args.registrar_certificate)) if args.registrar_certificate else None
    keys = request.of_nodes() if registrar else request.of_gateway() if args.without_nodes else request.keys
    print(f"site             {request.site}")
    _print_asked(keys)
    term = owner.CertificateTerm.of_days(_now_ms(), args.days)
    _write(args.file, owner.certify(request, keys, signer, term, dict(args.classes), registrar))
    who = "registrar" if registrar else "root"
    print(f"{args.file}: certified by {who} {owner.fingerprint(signer.public)}, {until_text(term.until_ms)};")
    print("compare the lines above with the site's, and each node's with what its board printed.")
    print(f"On the gateway: wayside keys install SITE {args.file.name}")
    if not registrar:
        print(f"Readers:        wayside verify FILE --root {signer.public.hex()}")


def _registrar(args: argparse.Namespace) -> None:
    root = load(args.root)
    try:
        public = bytes.fromhex(args.public)
    except ValueError:
        raise owner.OwnerFileError("KEY: write the 64 hexadecimal digits that `wayside keys make` prints") from None
    term = owner.CertificateTerm.of_days(_now_ms(), args.days)
    _write(args.file, owner.certify_registrar(args.name, public, root, term))
    print(f"registrar {owner.fingerprint(public)} of {args.name}, {until_text(term.until_ms)}")
    print(f"{args.file}: give it to him, for: wayside keys certify --registrar-certificate {args.file.name}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _install(args: argparse.Namespace) -> None:
    request = owner.read_certificates(_read(args.file))
    certificates = request.get("certificates")
    if not isinstance(certificates, list) or not certificates:
        raise owner.OwnerFileError(f"{args.file} holds no certificates")
    some = (certificates[at : at + _AT_ONCE] for at in range(0, len(certificates), _AT_ONCE))
    _say_done(sum(change_keys(args.site, args.path, request | {"certificates": each}) for each in some))


def _read(path: Path) -> bytes:
    """The file, or as much of it as shows that it is too large."""
    with path.open("rb") as file:
        return file.read(owner.MAX_FILE + 1)


# --- nodes ---


def change_node(do: str, args: argparse.Namespace) -> None:
    """Enrol or replace a node's key, also as `wayside node replace`."""
    fields = {"node": args.node, "public": args.public, "challenge": args.challenge, "proof": args.proof}
    _say_done(change_keys(args.site, args.path, {"do": do, "reason": args.reason, **fields}))


def _operator(args: argparse.Namespace) -> None:
    _say_done(change_keys(args.site, args.path, {"do": "operator", "name": args.name, "public": args.public}))


def _revoke(args: argparse.Namespace) -> None:
    _say_done(change_keys(args.site, args.path, {"do": "revoke", "key": args.key, "reason": args.reason}))


def _say_done(count: int) -> None:
    written = "1 entry" if count == 1 else f"{count} entries"
    print(f"done: {written} in the log" if count else "nothing to do: the log says so already")


def _open(args: argparse.Namespace) -> site_log.SiteLog:
    return site_log.open_site_log(_whole(args), args.path, SystemClock())


def _whole(args: argparse.Namespace) -> SiteFile:
    """The site file with its profiles: who opens the log writes into it what they are."""
    return config.load(args.path)


def _show(args: argparse.Namespace) -> None:
    try:
        print(verifier_key.of_site(args.site.site.name, state.state_folder(args.site, args.path)))
    except EvidenceError as error:
        raise RegistryError(f"the log's verifier key is not known: {error}") from None


def _list(args: argparse.Namespace) -> None:
    log = LogReader(state.state_folder(args.site, args.path) / "log")
    try:
        for line in key_list(log, args.site.site.name, _now_ms()):
            print(line)
    finally:
        log.close()


# --- the gateway's own keys ---


def _rotate(args: argparse.Namespace) -> None:
    if manage.ask(state.state_folder(args.site, args.path) / manage.SOCKET, {}) is not None:
        raise RegistryError("the gateway runs; stop it first, and start it again afterwards")
    if os.environ.get("CREDENTIALS_DIRECTORY"):
        raise KeyFileError("the keys are systemd's credentials; make the new key where those are kept")
    if args.which == "identity":
        opened = site_log.rotate_identity(_whole(args), args.path, SystemClock())
        public = opened.identity.public
        print("Nodes believe this key only, and keep their packs until they have it. At each board:")
        print("wayside flash BOARD --no-image --config FILE --site SITE")
    else:
        opened = _open(args)
        try:
            public = site_log.rotate_log_key(opened, args.site, args.path, SystemClock()).public
        except BaseException:
            opened.log.close()
            raise
        print(f"verifier key {NoteKey(opened.log.origin, ED25519, public)}")
        print("Give it to receivers and witnesses; with the old key evidence verifies over the bridge.")
    opened.log.close()
    print(f"{args.which} key  {owner.fingerprint(public)}")
    print("The owner has to certify it: wayside keys request. A backup has to be made again: wayside keys backup.")


def _backup(args: argparse.Namespace) -> None:
    folder = state.state_folder(args.site, args.path)
    for key_name in state.NAMES:
        load(folder / f"{key_name}.key")
    seeds = {name: (folder / f"{name}.key").read_bytes() for name in state.NAMES}
    _write(args.file, backup.encode_backup(seeds, _passphrase(args, twice=True)))
    print(f"{args.file}: the keys {' and '.join(seeds)}; without the passphrase it is worth nothing.")


def _restore(args: argparse.Namespace) -> None:
    folder = state.state_folder(args.site, args.path)
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in backup.decode_backup(args.file.read_bytes(), _passphrase(args)).items():
        written = backup.restore_key(folder / f"{name}.key", seed) if name in state.NAMES else False
        print(f"{name}: {'restored' if written else 'is there already'}")
    if not state.has_log(folder):
        # Keys out of a backup have signed before, wherever that was.
        state.note_run(args.site, args.path, load(folder / "log.key"))


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
