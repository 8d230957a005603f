"""Device profiles: what the registers of a meter or inverter mean, as data that a technician can review.

One TOML file per device family lives here; `loader` turns it into the fields that bus and node read, `library` knows a
site's own files beside them, and docs/profile-format.md explains every key. `imports` makes files of what others use.

`values` are what a table of the site file says of a profile. Imports wayside_wire, pydantic and `settings`.
"""

from .library import FoundProfile, Library, Tolerant
from .loader import DISCOVERED, Profile, ProfileError, load, load_file, names

__all__ = ["DISCOVERED", "FoundProfile", "Library", "Profile", "ProfileError", "Tolerant", "load", "load_file", "names"]
