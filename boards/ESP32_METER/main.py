"""What the board starts after boot. A node that cannot start says why and leaves the prompt to the technician."""

import board
from wayside_node.__main__ import main

board.join_network()
main(["--config", "/node.json"])
