"""From a pack or a poll to a durable entry: who may speak, in which order, and when it may be acknowledged.

`order` judges where a pack stands in its device's chain, `late` one that was given up for lost; `chains` knows where
each chain stands, `queue` holds what waits for the disk, `commit` groups entries on the one thread that owns the log,
`intake` is the door for all. Imports `trust`, `evidence` and `log`.
`daemon` wires it; `south` is handed its methods and imports nothing of it.
"""
