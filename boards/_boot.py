"""The first that runs on an ESP32, with Ctrl-C off: the watchdog, then the file system, as the port's own does it."""

import care

care.begin()

import gc  # noqa: E402

import vfs  # noqa: E402
from flashbdev import bdev  # noqa: E402  # pyright: ignore[reportMissingImports]  (of the port)

try:
    vfs.mount(bdev, "/")
except OSError:
    import inisetup  # pyright: ignore[reportMissingImports]

    inisetup.setup()
gc.collect()
