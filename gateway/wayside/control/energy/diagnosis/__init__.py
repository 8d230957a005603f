"""What is wrong with a meter or a plant, told from values alone: each file looks for one thing and names what it found.

`stuck` a value that does not move, `cusum` the slow change behind `drift`, `balance` meters that do not add up, `plant`
generation below its neighbours or its own best days, `phases` a lost phase, `counter` a register that does not count
what its power says. Pure functions over slots or readings; None is a gap, and proves nothing in either direction.
"""
