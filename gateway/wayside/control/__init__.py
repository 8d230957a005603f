"""Local control: what the site decides by itself, with or without its uplink.

`desk` takes every command to something physical, and carries it out. `controllers` are pure steps that ask there, one
file each: `controller` is their table, `inputs` what they may know, `cycles` their task, `decided` their entries.
`signals` runs a junction; `monitor` watches it, in a process of its own, and imports nothing of `signals`. Both speak
to a signal node over a `head_line`, keep time with `ticks` and write through `journal`. `energy` keeps a site within
its limits. Each controller is a small pure core that keeps the invariants, and layers that only ask it.

May import `evidence` and what everybody may; `kinds`, `site` and `cli` import it.
"""
