"""Runs a program as the interpreter does and notes each line when it is first run: `hil_cover.py FILE | -m MODULE ...`.

Noted at once: the board's power may go at any time. HIL_COVERAGE: the file; HIL_COVERED: folders, with : between.
"""

import os
import sys


def trace_into(path, folders):
    """Lines of files in these folders, as NAME:LINE."""
    notes = open(path, "ab")
    seen = set()

    def line(frame, event, _):
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in seen:
            seen.add(place)
            notes.write(("%s:%d\n" % place).encode())
        return line

    def call(frame, event, argument):
        for folder in folders:
            if frame.f_code.co_filename.startswith(folder):
                return line(frame, event, argument)
        return None

    sys.settrace(call)


def find(module):
    """(the file that `-m` runs, its full name)."""
    name = module.replace(".", "/")
    for folder in sys.path:
        for path, full in (("/__main__.py", module + ".__main__"), (".py", module)):
            try:
                os.stat("%s/%s%s" % (folder, name, path))
                return "%s/%s%s" % (folder, name, path), full
            except OSError:
                pass
    raise ImportError(module)


def main():
    if not hasattr(sys, "settrace"):
        print("this MicroPython has no sys.settrace: build it with MICROPY_PY_SYS_SETTRACE=1")
        sys.exit(2)
    del sys.argv[0]
    path = full = sys.argv[0]
    if path == "-m":
        del sys.argv[0]
        path, full = find(sys.argv[0])
    with open(path) as file:
        code = compile(file.read(), path, "exec")
    trace_into(os.getenv("HIL_COVERAGE"), os.getenv("HIL_COVERED").split(":"))
    if path != full and "." in full:
        __import__(full.rpartition(".")[0])
    # Under "__main__" the interpreter looks for the name that relative imports begin from.
    exec(code, {"__name__": "__main__", "__main__": full, "__file__": path})


main()
