"""NGSI-LD batch upsert of a hundred entities, applied before the answer, against the same server without storage.

python -m bench ngsild [--long]
"""

import json

from bench.push import STATIONS, rested, script
from bench.row import Row
from bench.running import running

BATCH = 100
SECONDS, LONG_SECONDS = 8, 120


def bodies() -> list[str]:
    """One for each hundred entities, with two readings each."""
    made = []
    for first in range(0, STATIONS, BATCH):
        entities = [
            {
                "id": f"urn:ngsi-ld:AirQualityObserved:N{n:05d}",
                "type": "AirQualityObserved",
                "pm25": {"type": "Property", "value": 10 + n % 37 / 10, "unitCode": "GQ", "observedAt": "@"},
                "no2": {"type": "Property", "value": 20 + n % 53 / 10, "unitCode": "GQ", "observedAt": "@"},
            }
            for n in range(first, first + BATCH)
        ]
        made.append(json.dumps(entities, separators=(",", ":")))
    return made


def measure(long: bool = False) -> list[Row]:
    """The row of the budget."""
    path = "/ngsi-ld/v1/entityOperations/upsert?options=update"
    with running(("serve", "work")) as run:
        flood = script(path, run.key, bodies(), "application/json")
        port = run.ceiling()
        ceiling = run.flood(flood, 5, port=port)
        run.end_ceiling()
        while run.value("SELECT count(*) FROM keep.entity") < STATIONS:
            run.flood(flood, 4)
        rested(run)
        found = run.flood(flood, LONG_SECONDS if long else SECONDS)
    rate, top = found.good * BATCH / found.seconds, ceiling.good * BATCH / ceiling.seconds
    return [
        Row(
            what="NGSI-LD upsert of 100, applied before the answer",
            figure=rate,
            unit="entities/s",
            against="the same without storage",
            ratio=rate / top,
            must="≥ 0.12",
            good=rate / top >= 0.12,
            remark=f"p50 {found.p50:.0f}, p99 {found.p99:.0f} ms; {found.bad} refused; without storage {top:,.0f}/s",
        )
    ]
