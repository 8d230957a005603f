"""The witness: another host that co-signs a checkpoint after it has checked that it extends the one before.

`witness` is the rule and its memory, `continuation` the request that ties an epoch to the one before, `service` puts it
behind HTTP, `client` asks one (C2SP tlog-witness) by `exchange`, `collect` all of a site's at once. Imports `evidence`,
`net.http` and what everybody may; `site`, `kinds` and `cli` import it.
"""
