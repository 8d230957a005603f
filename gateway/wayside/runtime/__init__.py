"""What a process of ours runs on: time, tasks that must not die, threads, memory, back-off, and how they are watched.

Imports `text` and `values` only; everybody but `evidence` may import it.
"""
