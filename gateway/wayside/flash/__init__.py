"""From a bare board to an enrolled node: image, configuration, proof of its key, self-test, label.

The steps are in steps.py; what they need of a board is a Console (console.py) and, for boards that show themselves as a
USB volume, volume.py. Imports `trust`, `evidence` and what everybody may; only `cli` and the bench
use it.
"""
