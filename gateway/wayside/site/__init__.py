"""A site beside its configuration: the versions of its file, how two of them differ, and the log with the site's keys.

`history` keeps versions and the one on trial, `change` puts another file in place, `diff` says what it changes, `log`
opens the log. May import config, log, trust and intake.journal; daemon, remote, cli and support_bundle import it.
"""
