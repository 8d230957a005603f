"""The node's role `signal`: switches lamps as the controller orders, judges every order and every picture itself.

`head` is the state machine without input or output; `app` gives it ports, lamps and time. Imports wayside_wire, and of
wayside_node only what every role has (clock, config tables, supervisor).
"""
