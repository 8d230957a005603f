"""Wayside on one machine: the demo with its embedded broker, and `plant`, the simulated devices of it.

Nothing that runs at a site imports this; `cli` does, and benchmarks and tests.
"""
