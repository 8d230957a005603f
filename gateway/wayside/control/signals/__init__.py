"""A junction's signals: a core that no request can make unsafe, and layers around it that only ask.

`junction` is the checked description, `core` the pure transition function. Above it, pure too: `detectors`, `demand`,
`plans`, `rings`, `adaptive`, `priority`, the `chain` between them, and `pilot`, which stacks them. `controller` gives
them a line, a clock and a journal; `remote` and `zones` bring requests and detector zones in; `events`, `feed`,
`replay`, `live`, `why` and `diagram` show what was done. `schema` and `loader` read the junction file into a `site`.

Times inside are whole ticks of 100 ms. Imports what `control` shares, `evidence` and what everybody may;
nothing of `control.monitor`.
"""
