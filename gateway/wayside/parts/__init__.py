"""What the daemon asks of a part, and what a part says about itself.

`part` is a part and the base of the tables that ask for one, `about` what it says, `picture` what all say at a moment.
Imports `values`, `net`, `runtime`, `settings` and `text`; whatever is made a part of may import it.
"""
