"""Build the virtual board's MicroPython with sys.settrace, and print the path of the executable.

For the bench's coverage of firmware lines. It is slower, so nothing else runs in it.
"""

import os
import sys

import sources
import virtual_board

_FLAG = "-DMICROPY_PY_SYS_SETTRACE=1"


def main() -> int:
    """Exit status 1 when it cannot be built."""
    folder = sources.CACHE / "vm" / f"TRACED-{virtual_board.executable().parent.name.split('-')[1]}"
    os.environ["CFLAGS_EXTRA"] = _FLAG  # what the port's Makefile takes besides its own
    try:
        with sources.locked(sources.CACHE / "vm.lock"):
            print(sources.kept(folder, lambda target: virtual_board._build(target, None)) / "micropython")
    except sources.SourceError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
