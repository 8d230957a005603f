"""Keys and who they belong to.

`keys` are the gateway's own, `registry` is who else may sign, as the log's key entries tell; `changes` are what people
ask of it. Imports `wayside_wire`, `evidence`, `cryptography` and what everybody may. Whatever
judges or makes a signature may import it.
"""
