"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

from wayside_signal.__main__ import main

main(["--config", "/signal.json"])
