"""Wayside's nodes on the bench, and the gateway's end of their link. Imports the gateway's package and wayside_wire."""
