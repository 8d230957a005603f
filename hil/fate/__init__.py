"""What fate and strangers do to a node: troubles drawn from a seed, in simulated time, and what has to hold behind each.

`node.py` is the board with everything that hangs on it, `gateway.py` a gateway that judges packs as the real one does,
`troubles_*.py` are the troubles, one generator each, `run.py` draws them, and checks what has to hold. `python -m hil.fate --help`.
"""
