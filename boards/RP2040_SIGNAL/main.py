"""What the board starts after boot. Behind a signal head nobody has the prompt: its flash relay has dropped, and its
watchdog starts it again. One without a configuration leaves it to the technician for ten minutes."""

import care


def start() -> int:
    from wayside_signal.__main__ import main

    return main(["--config", "/signal.json"])


care.run(start, prompt=False)
