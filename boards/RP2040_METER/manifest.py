# The port's own modules (file system at start), asyncio, and the whole application.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
package("wayside_wire", base_path="../../firmware")
package("wayside_node", base_path="../../firmware")
module("boot.py", base_path="..")
module("rp2040.py", base_path="..")
module("board.py")
module("main.py")
