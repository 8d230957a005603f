"""Local control: what the site decides by itself, with or without its uplink.

`signals` runs a junction. Each part is a small pure core that keeps the invariants, and layers that only ask it. May
import `reading`, `image`, `toml_file` and `evidence.entry`; the daemon and the command line import it.
"""
