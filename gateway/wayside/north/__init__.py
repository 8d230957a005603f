"""Sinks: where the log is forwarded, each from its own cursor. The promise they keep: docs/delivery.md.

`sink` holds the nouns and the two protocols (a sink: two methods; the log as a sink sees it), `forward` the loop that
drives any sink. `report` is what a pack in the log says, typed; each sink makes its own text or bytes of it, as
`json_report` does for some. `mqtt` (with `announcer` and `state_topic`), `homeassistant` (with `discovery`) and
`webhook` are sinks; `sinks` has a file for each kind of them, `sink_table` is the table of the site file.

May import `evidence`, `net.mqtt`, what everybody may, and of `log` its error: the log itself comes in as a `LogReader`.
Never `south` or `control`. Only `kinds`, the demo, `receiver` and `cli` import this package, and `site` its table.
"""
