"""The bench: boards emulated or real, modelled plants around them, scenarios that run on each.

Imports the gateway's plant models, wayside_wire and tools/; nothing of the product imports it.
"""
