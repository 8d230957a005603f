"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

import json
import sys

import esp32_chip

CONFIG = "/node.json"


def role():
    """What /node.json wants the board to be; None: a node with packs, by Wi-Fi or a serial link."""
    try:
        with open(CONFIG) as file:
            return json.load(file).get("role")
    except (OSError, ValueError, AttributeError):
        return None  # the application says what is wrong with it


esp32_chip.watch_trial()
try:
    wanted = role()
    if wanted == "beacon":
        from wayside_node.ble_app import main
    elif wanted in ("radio", "sensor"):
        from wayside_node.radio_app import main
    else:
        from wayside_node.__main__ import main
    esp32_chip.join_network()
    status = main(["--config", CONFIG])
except Exception as error:  # of an application on trial: whatever it is, there is another one
    sys.print_exception(error)
    status = 1
if status:
    esp32_chip.give_up()
