"""The witness: another host that co-signs a checkpoint after it has checked that it extends the one before.

`witness` is the rule and its memory, `continuation` the request that ties an epoch to the one before, `service` puts it
behind HTTP, `settings` is the file of its own that it may have. On a site's side `client` asks one (C2SP tlog-witness)
by `exchange`, `collect` asks all of a site's at once, `table` is the table of the site file.

Imports `evidence`, `net.http` and what everybody may; `cli`, `kinds` and `site` import it.
"""
