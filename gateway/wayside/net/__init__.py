"""The ways out of this machine: endpoints, serial ports, the line to a node, and how a far side says no.

`http` is what we serve, `mqtt` one connection to a broker; each is a room of its own, imported where it is used.
Imports `runtime` and `text` only; everybody but `evidence` may import it.
"""
