"""The gateway as a process: its parts wired, watched, told about and changed while it runs.

`daemon` is one gateway's life, `parts` a table of what starts and stops alone, `service` is a daemon under the service
manager with a site file on trial. What the parts are made of, `wayside.kinds` knows; nothing here knows a kind.
`commander` gives commands to whatever takes them, `beginnings` asks a person about counters. `gateway_about` is what
every gateway says about itself, beside what its parts say.
It is looked at and asked through `status` and `manage`, each on a `unix_socket`, its keys changed by `change_keys`
whether it runs or not; `watchdog`, `sd_notify` and `messages` face systemd.

Imports what every gateway has, and `kinds`; only cli imports it. Nothing is imported here: a command that asks for the
status needs no daemon.
"""
