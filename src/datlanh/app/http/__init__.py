"""The HTTP doors: what the house looks like from outside.

`make_app` (in `server.py`) builds the ASGI application from a house; `shapes.py` has every answer and
question of the console API; each route names its permission through `door.py`. Nothing is decided here:
the floors decide, this folder translates.
"""
