"""The status site of a gateway: pages without a build step and without anything from elsewhere, events, users, metrics.

It shows and never decides: it shows what the daemon's parts say about themselves. An operator asks there that the site
file be taken up, and at the desk for values of actuators. Only `kinds` and `cli` use it, and `site` its
table; it imports `net.http`, `evidence` and what everybody may. `server` needs the extra `web`; the other modules do
not.
"""
