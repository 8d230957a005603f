"""SUMO as a junction's plant: road and drivers behind the lamps and detectors that a cabinet has.

For tests and benches only; nothing of the gateway may import it. It imports the gateway's signals, and SUMO by libsumo
(one simulation per process at a time). A step of 1 s is ten ticks of the real core.
"""
