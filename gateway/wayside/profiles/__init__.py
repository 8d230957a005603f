"""Device profiles: what the registers of a meter or inverter mean, as data that a technician can review.

One TOML file per device family lives here; `loader` turns it into the fields that bus and node read, and
docs/profile-format.md explains every key.

Imports only wayside_wire, pydantic and `toml_file`; config, south and the command line import it.
"""

from .loader import DISCOVERED, Profile, ProfileError, load, load_file, names

__all__ = ["DISCOVERED", "Profile", "ProfileError", "load", "load_file", "names"]
