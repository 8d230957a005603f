"""`wayside signals monitor MATRIX`: the independent monitor, until it is stopped; the node then flashes."""

import argparse
from pathlib import Path

from wayside_wire import WireError, signal_matrix
from wayside_wire.signal_matrix import Matrix

from wayside.cli.signals import SignalsError, make_folder, read_key, say
from wayside.cli.signals.serve import serve
from wayside.control.head_line import HeadLine, LineError, open_port
from wayside.control.journal import Appender, Journal
from wayside.control.monitor.monitor import Monitor
from wayside.control.monitor.watched import Watched
from wayside.evidence.files import replace_file
from wayside.evidence.note import parse_key, parse_note
from wayside.runtime.clock import SystemClock
from wayside.text.reason import reason


def run(args: argparse.Namespace) -> int:
    matrix = _load(args.matrix, args.signer)
    key = read_key(args.key)
    make_folder(args.state)
    _keep_newest(matrix, args.state / "matrix")
    appender = Appender(say)
    try:
        line = HeadLine(open_port(args.port, args.baud), key, matrix.place)
        journal = Journal(args.state, appender, SystemClock())
        monitor = Monitor(matrix, line, args.state, journal, Watched(args.state, appender.append_bytes), say)
        say(f"monitoring {matrix.junction}, version {matrix.version}")

        def tick(now: float) -> str:
            monitor.tick(now)
            return f"STOPPED: {monitor.fault}" if monitor.fault else monitor.said

        serve(line.port, monitor.tick, tick)
    except LineError as error:
        raise SignalsError(str(error)) from None
    finally:
        appender.close()
    return 0


def _load(path: Path, signer: str) -> Matrix:
    try:
        note = parse_note(path.read_bytes())
        note.verified_by(parse_key(signer))
        return signal_matrix.parse(note.text)
    except OSError as error:
        raise SignalsError(f"{path}: cannot be read ({error.strerror}); name the signed matrix") from None
    except WireError as error:
        raise SignalsError(f"{path}: {reason(error)}") from None


def _keep_newest(matrix: Matrix, path: Path) -> None:
    """No older matrix than the one that was in force is used, whoever signed it."""
    try:
        kept = path.read_text(errors="replace") or "?"
    except FileNotFoundError:
        kept = ""
    except OSError as error:
        raise SignalsError(f"{path}: cannot be read ({error.strerror}); mend the disk, or the rights") from None
    try:
        record = signal_matrix.newest(kept, matrix)
        if record != kept:
            replace_file(path, record.encode())
    except WireError as error:
        raise SignalsError(f"{path}: {reason(error)}") from None
    except OSError as error:
        raise SignalsError(f"{path}: cannot be written ({error.strerror}); mend the disk, or the rights") from None
