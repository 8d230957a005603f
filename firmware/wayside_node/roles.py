"""Which application a configuration is for: its `role` says so. Without one, it is for a node with packs and a link.

Modules are imported when they are wanted: no board has what all of them need.
"""

import json


def role_of(path: str):
    """As it is written; None: there is none, or nothing to read."""
    try:
        with open(path) as file:
            return json.load(file).get("role")
    except (OSError, ValueError, AttributeError):
        return None  # who loads it says what is wrong with it


def load(path: str):
    """The settings in the configuration at `path`, as its application checks them. ConfigError."""
    role = role_of(path)
    if role == "beacon":
        from .ble_config import load
    elif role in ("radio", "sensor"):
        from .radio_config import load
    else:
        from .config import load
    return load(path)


def application(path: str):
    """main() of what is to run with the configuration at `path`."""
    role = role_of(path)
    if role == "beacon":
        from .ble_app import main
    elif role in ("radio", "sensor"):
        from .radio_app import main
    else:
        from .__main__ import main
    return main
