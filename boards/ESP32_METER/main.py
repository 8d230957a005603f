"""What the board starts after boot. A node that cannot start says why; the prompt is a technician's for ten minutes."""

import care
import esp32_chip


def start() -> int:
    from wayside_node.__main__ import main

    return main(["--config", "/node.json"])


if not care.run(start):
    esp32_chip.give_up()
