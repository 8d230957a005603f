"""A site: its file, validated whole, its secrets, the versions of the file, and the log with the site's keys.

`config` puts the file together of the tables that stand beside the code, `secret_files` finds what it names,
`history` keeps versions and the one on trial, `change` puts another file in place, `diff` says what it changes, `log`
opens the log; `certificates` tells in time what runs out, `support_bundle` gathers what a helper needs. Imports the
tables of all folders, log, trust and intake.journal; kinds, daemon, remote and cli import it.
"""
