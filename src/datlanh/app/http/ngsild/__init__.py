"""The NGSI-LD door: the HTTP shape of ETSI GS CIM 009 v1.9; its meaning is in `collect` and `keep`.

What stands here now: batch upsert, retrieve and query. `context.py` knows names, `q.py` and `geo.py` the query
languages, `form.py` the representations, `problem.py` the standard's own errors; `entity.py` has the routes.
"""
