"""The status site of a gateway: pages without a build step and without anything from elsewhere, events, users, metrics.

It shows and never decides: it shows what the daemon's parts say about themselves, and the only thing it can ask for is
that the site file be taken up. Only `kinds` and `cli` use it; it imports `net.http`, `parts`,
`values` and `evidence` of the gateway. `server` needs the extra `web`; the other modules do not.
"""
