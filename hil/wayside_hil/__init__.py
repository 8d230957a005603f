"""The bench: boards emulated or real, modelled plants around them, scenarios that run on each.

`lora` and `wayside` import wayside_wire and the gateway's package; nothing of the product imports the bench.
"""
