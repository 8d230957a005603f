"""A junction's signals: a core that no request can make unsafe, and layers around it that only ask.

`junction` is the checked description, `core` the pure transition function. Times inside are whole ticks of 100 ms.
"""
