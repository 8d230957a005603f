"""What stands below the gateway: Modbus devices that it polls and nodes that send packs.

They deliver readings or packs through callbacks. May import `profiles`, `evidence`, `trust` and what everybody may;
only `kinds` and `cli` import it, `site` its tables.
"""
