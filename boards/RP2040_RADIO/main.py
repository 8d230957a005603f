"""What the board starts after boot. A node that cannot start says why; the prompt is a technician's for ten minutes."""

import care
import rp2040


def start() -> int:
    from wayside_node.radio_app import main

    return main(["--config", "/node.json"])


if not care.run(start):
    rp2040.give_up()
