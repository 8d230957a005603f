"""A junction's signals: a core that no request can make unsafe, and layers around it that only ask.

* the file: `schema` and `loader` read a junction file into a `site`; `junction` is the checked description in it,
  `stages` and `change` say which groups may be green together and how long the way to a green is
* the core: `core`, the pure transition function; `channels` has its outputs as a signal node knows them
* the layers above it, pure too: `inputs`, `detectors`, `loops`, `demand`, `plans`, `rings`, `adaptive` (with
  `yardstick`), `priority`, the `chain` between them, and `pilot`, which stacks them
* what runs: `controller` gives them a line, a clock and a journal; `remote` and `zones` bring requests and detector
  zones in; `program` is what the junction runs, as an actuator of the desk
* what was done: `events`, `feed`, `replay`, `live`, `why` and `diagram` show it

Times inside are whole ticks of 100 ms. Imports `control.head_line`, `control.journal` and `control.ticks`, `evidence`,
and what everybody may; nothing of `control.monitor`. Only `kinds` and `cli` import this package.
"""
