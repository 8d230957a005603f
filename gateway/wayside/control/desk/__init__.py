"""The desk: every command to something physical is a request here, and what carries it out proves that it took.

`requests` is the pure core: who asks for what, until when, how strongly, and what follows. `hold` is pure too: when to
write to a device, when to look whether it still holds, how seldom to try again. `controlled` runs both for one
actuator, and logs requests, decisions and effects. May import what `control` may; `kinds` ties it to buses and
the status site, `daemon` to the command line.
"""
