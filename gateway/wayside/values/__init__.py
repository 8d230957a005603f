"""The nouns that everybody speaks of: a reading, what is expected of a device, what carries out, the process image.

Imports `wayside_wire` only; everybody may import it.
"""
