"""`wayside signals ask FOLDER CONTROL`: a request that lapses when it is not renewed."""

import argparse
import os
import time

from wayside.cli.signals import SignalsError
from wayside.control.signals.remote import RequestError, ask
from wayside.runtime.machine_user import user_name


def run(args: argparse.Namespace) -> int:
    try:
        now_ms = time.time_ns() // 1_000_000
        ask(args.state, args.control, args.plan, args.seconds, now_ms, user_name(os.getuid()))
    except RequestError as error:
        raise SignalsError(str(error)) from None
    except OSError as error:
        raise SignalsError(
            f"{args.state}: cannot be written ({error.strerror}); name the controller's --state"
        ) from None
    print(f"asked for {args.control} {args.plan}".rstrip() if args.seconds else "withdrawn")
    return 0
