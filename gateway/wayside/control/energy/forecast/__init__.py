"""What a site will use and generate in the next 48 hours, from its own log alone; pure Python.

`counters` turns energy registers into slots, `history` keeps them by local day, `methods` are the simple forecasts,
`ridge` mixes them, `forecaster` chooses by what has been right lately.
A forecast is a value with the time at which it was made, so that it can be an entry before its time. Without weather
nothing clearly beats the day before for a PV plant (decision 0193), so that is what a method has to beat.
"""
