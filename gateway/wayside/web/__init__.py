"""The status site of a gateway: pages without a build step and without anything from elsewhere, events, users, metrics.

It shows and never decides: it reads the daemon's parts, and the only thing it can ask for is a restart. Only the daemon
and `cli` use it; it imports `status`, `image`, `reading`, `clock` and `control.signals` of the gateway. `server` and
`daemon` need the extra `web`; the other modules do not.
"""
