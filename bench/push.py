"""Pushed telemetry, durable, with state, history and rules behind it, against the same server without storage.

    python -m bench push [--long]

Batches of 100 stations with two readings each, 20,000 stations, 32 connections, wrk on the same two cores. A batch
counts when it is applied: what was acknowledged and still waits at the end is waited for, and its time counts.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench.row import Row
from bench.running import PUSH, Running, running
from datlanh.collect.push import Envelope

STATIONS, BATCH = 20_000, 100
SECONDS, LONG_SECONDS, CEILING_SECONDS = 8, 600, 8


def script(path: str, key: str, bodies: list[str], kind: str) -> str:
    """Each request another batch at another instant of now: `@` stands for a millisecond that is never told twice.

    They must be of now: what comes late is worked out again by every indicator, which is another measurement.
    """
    told = ",\n".join(f"[====[{body}]====]" for body in bodies)
    return f"""
local bodies = {{
{told}
}}
local n, start = 0, os.time()
local headers = {{["Authorization"] = "Bearer {key}", ["Content-Type"] = "{kind}"}}
function request()
   n = n + 1
   local at = os.date("!%Y-%m-%dT%H:%M:%S", start + math.floor(n / 1000)) .. string.format(".%03dZ", n % 1000)
   local body = string.gsub(bodies[n % #bodies + 1], "@", at)
   return wrk.format("POST", "{path}", headers, body)
end
"""


def bodies() -> list[str]:
    """One for each hundred stations, in the short form: two values of a device at a time, 70 bytes an entity."""
    return _bodies(
        lambda n: [
            {"device": f"B{n:05d}", "at": "@", "values": {"pm25": 10 + n % 37 / 10, "no2": 20 + n % 53 / 10}}
        ]
    )


def full_bodies() -> list[str]:
    """The same in the full form: each reading with entity, unit and quality, 340 bytes an entity.

    The ceilings that the budget stands on were measured with entities of this size.
    """

    def items(n: int) -> list[dict[str, Any]]:
        head = {"entity": f"urn:ngsi-ld:AirQualityObserved:B{n:05d}", "observed_at": "@"}
        tail = {"unit": "ug/m3", "quality": "measured"}
        return [
            {**head, "attribute": name, "value": value, **tail}
            for name, value in (("pm25", 10 + n % 37 / 10), ("no2", 20 + n % 53 / 10))
        ]

    return _bodies(items)


def _bodies(items: Callable[[int], list[dict[str, Any]]]) -> list[str]:
    return [
        json.dumps(
            {"readings": [item for n in range(first, first + BATCH) for item in items(n)]},
            separators=(",", ":"),
        )
        for first in range(0, STATIONS, BATCH)
    ]


def decoded(body: bytes, seconds: float = 0.5) -> float:
    """Batches a second that msgspec alone reads into our items."""
    decode = msgspec.json.Decoder(Envelope).decode
    begun, n = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        decode(body)
        n += 1
    return n / (time.perf_counter() - begun)


def drained(run: Running, within_s: float = 600) -> bool:
    """Wait until everything that was taken is applied."""
    begun = time.monotonic()
    while run.value("SELECT count(*) FROM collect.pending"):
        if time.monotonic() - begun > within_s:
            return False
        time.sleep(0.1)
    return True


def rested(run: Running, within_s: float = 300) -> None:
    """Wait until the worker has done what new stations make once: indicators, watches, rollups."""
    begun = time.monotonic()
    while time.monotonic() - begun < within_s:
        used = run.cpu()["work"]
        time.sleep(1.0)
        if run.cpu()["work"] - used < 0.1:
            return


def measure(long: bool = False) -> list[Row]:
    """The rows of the budget, and the same of the short form."""
    return _measured(full_bodies(), "full form", long) + _measured(bodies(), "short form", False)


def _measured(made: list[str], form: str, long: bool) -> list[Row]:
    with running(("serve", "work")) as run:
        flood = script(f"/api/v1/sources/{PUSH}/readings", run.key, made, "application/json")
        alone = decoded(made[0].replace("@", "2026-11-23T07:00:00.000Z").encode()) * BATCH
        port = run.ceiling()
        run.flood(flood, 2, port=port)
        ceiling = run.flood(flood, CEILING_SECONDS, port=port)
        run.end_ceiling()
        run.flood(flood, 4)  # the stations become known
        drained(run)
        rested(run)
        before = run.value("SELECT count(*) FROM keep.history")
        used, begun = run.cpu(), time.monotonic()
        found = run.flood(flood, LONG_SECONDS if long else SECONDS)
        all_applied = drained(run)
        seconds = time.monotonic() - begun
        cpu = {name: after - used[name] for name, after in run.cpu().items()}
        points = run.value("SELECT count(*) FROM keep.history") - before
        packed = run.value("SELECT sum(length(body))::float / nullif(sum(items), 0) * 2 FROM collect.journal")
    rate, top = found.good * BATCH / seconds, ceiling.good * BATCH / ceiling.seconds
    micros = 1e6 * sum(cpu.values()) / max(1, found.good * BATCH)
    whole = points >= 2 * BATCH * found.good and all_applied  # more were under way when wrk stopped
    told = ", ".join(
        f"{name} {1e6 * used_s / max(1, found.good * BATCH):.1f}" for name, used_s in cpu.items()
    )
    return [
        Row(
            what=f"pushed telemetry, applied; {form}",
            figure=rate,
            unit="entities/s",
            against="the same without storage",
            ratio=rate / top,
            must="≥ 0.30",
            good=rate / top >= 0.30 and whole,
            remark=f"{seconds:.0f} s with draining; ack p50 {found.p50:.0f}, p99 {found.p99:.0f} ms;"
            f" {found.bad} refused; {'every' if whole else 'NOT EVERY'} reading stored",
        ),
        Row(
            what=f"the same without storage; {form}",
            figure=top,
            unit="entities/s",
            against="msgspec alone",
            ratio=top / alone,
            must="≥ 0.10",
            good=top / alone >= 0.10,
            remark=f"p50 {ceiling.p50:.0f}, p99 {ceiling.p99:.0f} ms",
        ),
        Row(
            what=f"CPU an entity, all programs; {form}",
            figure=micros,
            unit="µs",
            must="≤ 25",
            good=micros <= 25,
            remark=told,
        ),
        Row(
            what=f"an entity in the journal; {form}",
            figure=packed,
            unit="bytes",
            must="≤ 60",
            good=packed <= 60,
            remark="two readings, packed as it came",
        ),
    ]
