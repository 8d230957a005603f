"""Runs one test module under MicroPython: micropython tests/mp_runner.py PATH/test_module.py

Calls every `test_*` function without parameters, in alphabetical order, and prints one line for each: "ok NAME",
"skip NAME: REASON" (the test raised Skip, from whatever module) or "FAIL NAME: ERROR" and the traceback.
The exit status is 0 when none failed, 1 otherwise, 2 when the module cannot be imported or holds no test.
The module's folder is put on sys.path, so that it finds its helpers. Runs on CPython too.
"""

import gc
import sys


def load(path):
    """The module in the file at `path`."""
    folder, _, name = path.rpartition("/")
    sys.path.insert(0, folder or ".")
    return __import__(name[:-3] if name.endswith(".py") else name)


def show(error):
    """Print the traceback of `error` to the standard output."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, sys.stdout)
    else:
        import traceback

        traceback.print_exception(error, file=sys.stdout)


def run(module) -> int:
    names = sorted([name for name in dir(module) if name.startswith("test_") and callable(getattr(module, name))])
    failed = 0
    for name in names:
        gc.collect()
        try:
            getattr(module, name)()
            print("ok", name)
        except Exception as error:
            if type(error).__name__ == "Skip":
                print("skip %s: %s" % (name, error))
                continue
            failed += 1
            print("FAIL %s: %s: %s" % (name, type(error).__name__, error))
            show(error)
    if not names:
        print("FAIL no test_* function in", module.__name__)
        return 2
    return 1 if failed else 0


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: mp_runner.py PATH/test_module.py")
        return 2
    try:
        module = load(sys.argv[1])
    except Exception as error:
        print("FAIL import: %s: %s" % (type(error).__name__, error))
        show(error)
        return 2
    return run(module)


sys.exit(main())
