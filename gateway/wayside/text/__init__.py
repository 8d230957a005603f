"""Text of others and for others: JSON that is read, words that are shown, secrets that are not, what an error says.

Imports nothing of the gateway; everybody may import it.
"""
