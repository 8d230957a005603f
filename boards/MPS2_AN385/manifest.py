# The node's pure modules, for an emulated Cortex-M3: 32-bit floats and small integers, and the heap of a small board.
package("wayside_wire", base_path="../../firmware")
