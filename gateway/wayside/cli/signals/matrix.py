"""`wayside signals matrix FILE`: a draft of the monitor's matrix on stdout, signed when a key is given."""

import argparse

from wayside.cli.signals import say
from wayside.cli.signals.load import load_site
from wayside.control.signals.channels import draft_matrix
from wayside.evidence.note import ED25519, NoteKey, parse_key, sign_note
from wayside.trust.keys import load_or_create


def run(args: argparse.Namespace) -> int:
    site = load_site(args.file)
    text = draft_matrix(site.name, site.junction, site.version)
    if args.sign:
        secret = load_or_create(args.sign)
        key = parse_key(str(NoteKey(args.name, ED25519, secret.public)))  # refuses a name that no note may have
        text = sign_note(text, key, secret.sign).encode().decode()
        say(f"key  {key}")
    print(text, end="")
    return 0
