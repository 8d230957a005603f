"""Which application a configuration is for: its `role` says so. Without one, it is for a node with packs and a link.

Modules are imported when they are wanted: no board has what all of them need.
"""

import json

from .seal import strip


def role_of(path: str):
    """As it is written, or in the configuration before where that cannot be read; None: there is none."""
    for name in (path, path + ".old"):
        try:
            with open(name, "rb") as file:
                return json.loads(strip(file.read()).decode()).get("role")
        except Exception:  # damage may make it anything
            pass  # who loads it says what is wrong with it
    return None


def load(path: str):
    """The settings in the configuration at `path`, as its application and this board check them. ConfigError."""
    role = role_of(path)
    if role == "beacon":
        from .ble_config import load
    elif role in ("radio", "sensor"):
        from .radio_config import load
    else:
        from .config import load
    import board

    from .files import Files
    from .judge import judge

    config = load(path)
    judge(config, board, Files(board.sync, board.sync_directory))
    return config


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
