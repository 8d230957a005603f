"""Keys and who they belong to.

`keys` are the gateway's own, `registry` is who else may sign, as the log's key entries tell; `changes` are what people
ask of it. `owner` has the files that go between a site, its owner and a registrar, `backup` the gateway's keys under a
passphrase.

Imports `evidence`, `text`, `wayside_wire` and `cryptography`. `south`, `intake`, `site`, `remote`, `flash`, `kinds`,
`daemon`, `lab` and `cli` import it.
"""
