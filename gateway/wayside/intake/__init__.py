"""From a pack or a poll to a durable entry: who may speak, in which order, and when it may be acknowledged.

`order` judges where a pack stands in its device's chain, `late` one that was given up for lost; `chains` knows where
each chain stands, `queue` holds what waits for the disk, `commit` groups entries on the one thread that owns the log,
`intake` is the door for all. `south` is handed its methods and imports nothing of it.

Imports `trust`, `evidence`, `log` and what everybody may; `daemon`, `kinds` and `site` import it.
"""
