"""What stands below the gateway: Modbus devices that it polls and nodes that send packs.

Adapters deliver readings or packs through callbacks. May import reading, about, clock, profiles and wayside_wire;
only daemon and cli import it.
"""
