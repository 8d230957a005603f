"""What fate and strangers do to a node: troubles drawn from a seed, and what has to hold behind them.

`node.py` is the board with everything that hangs on it, `gateway.py` a gateway that judges packs as the real one does,
`troubles_*.py` are the troubles, one generator each; `run.py` draws them and checks what has to hold behind each step.
"""
