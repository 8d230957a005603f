"""The gateway as a process: its parts wired, watched, told about and changed while it runs.

`daemon` is one gateway's life, `parts` a table of what starts and stops alone, `site_parts` makes the parts that a
site file names (`radios` its radios, `sinks` its sinks; `kinds` lists those that own their settings; `clients` knows
whom a part believes and how it shows itself), `service` is a daemon under the service manager with a site file on
trial.
Between folders that do not know each other stand `commander`, `cosigning`, `journal_feed`, `junction_view`, `log_view`
and `backlog`. `gateway_about` is what every gateway says about itself, beside what its parts say.
It is looked at and asked through `status` and `manage`, each on a `unix_socket`, its keys changed by `change_keys`
whether it runs or not; `watchdog`, `sd_notify` and `messages` face systemd.

Imports everything; only cli imports it. Nothing is imported here: a command that asks for the status needs no daemon.
"""
