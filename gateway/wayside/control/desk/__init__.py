"""The desk: every command to something physical is a request here, and what carries it out proves that it took.

`requests` is the pure core: who asks for what, until when, how strongly, and what follows. `hold` is pure too: when to
write to a device, when to look whether it still holds, how seldom to try again. `controlled` runs both for one
actuator, and logs requests, decisions and effects. `carried` is an actuator that some part of the gateway carries out,
`about` says how an actuator is doing, `table` is the table `[[actuator]]` of the site file.

Imports `evidence` and what everybody may. `control`, `kinds` and `site` import it: `kinds` ties an actuator to its bus
or junction, `daemon.desk` brings in what people ask for on the command line and the status site.
"""
