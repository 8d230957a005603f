"""One connection to an MQTT broker, for whatever goes over it: sinks, nodes, adapters, a site file from afar.

`session` is the connection from CONNECT to its end, `broker` where it goes to, `client` what paho lacks, `driver` paho
in the event loop, `inlet` the bounds on what comes, `answers` the reason codes, `echo` what an acknowledgement is
worth, `tls` certificates by a clock that may be wrong. Imports paho, cryptography, and of the gateway `net`, `runtime`
and `text`.
"""
