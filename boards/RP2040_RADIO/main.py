"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

from wayside_node.radio_app import main

main(["--config", "/node.json"])
