"""How long a reading takes from its receipt to a console that listens, through the whole house.

    python -m bench console [--long]

One station of the reference province is pushed a new value again and again; a signed-in console listens to the live
feed. The clock runs from before the request until the frame with that very value has come.
"""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path

import httpx2
import numpy as np

from bench.row import Row
from bench.running import running
from datlanh.app.house import House
from datlanh.kernel import Settings, SystemClock

TIMES, LONG = 40, 600
STATION = "BENCH_CONSOLE"


def measure(long: bool = False) -> list[Row]:
    """The row of the budget."""
    with running(("serve", "work"), demo=True) as run:
        took = asyncio.run(_run(run.settings, run.key, run.address(), LONG if long else TIMES))
    p50, p99 = float(np.percentile(took, 50)), float(np.percentile(took, 99))
    return [
        Row(
            what="reading received → on a console, p99",
            figure=p99,
            unit="ms",
            must="≤ 1,000",
            good=p99 <= 1000,
            remark=f"p50 {p50:.0f} ms, worst {max(took):.0f}; {len(took)} readings",
        )
    ]


async def _run(settings: Settings, key: str, address: str, times: int) -> list[float]:
    async with House.opened(settings, program="bench") as house:
        await house.seed()
        told = {
            "name": {"vi": "Trạm đo", "en": "Bench station"},
            "protocol": "push",
            "codec": "readings",
            "station": {"type": "AirQualityObserved", "place": [106.65, 11.0]},
        }
        await house.collect.save_source(STATION, told, by="system:bench")
    accounts = json.loads(
        await asyncio.to_thread((Path(settings.home) / "demo-accounts.json").read_text, "utf-8")
    )
    person = next(a for a in accounts if "duty" in a["role"])
    async with httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
        signed = await client.post(
            "/api/v1/session", json={"name": person["name"], "password": person["password"]}
        )
        signed.raise_for_status()
        took: list[float] = []
        heard: asyncio.Queue[float] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen(client, heard))
            for n in range(times + 3):
                value = 10 + n / 10
                body = [{"attribute": "pm25", "value": value, "observed_at": _instant(n)}]
                begun = time.perf_counter()
                async with httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as station:
                    answer = await station.post(
                        f"/api/v1/sources/{STATION}/readings",
                        json=body,
                        headers={"Authorization": f"Bearer {key}"},
                    )
                answer.raise_for_status()
                async with asyncio.timeout(60):
                    while await heard.get() != value:
                        continue
                if n >= 3:
                    took.append(1e3 * (time.perf_counter() - begun))
                # Not in step with whatever looks now and then.
                await asyncio.sleep(0.05 + (n * 0.137) % 0.4)
            listening.cancel()
    return took


def _instant(n: int) -> str:
    return (SystemClock().now() - timedelta(hours=1) + timedelta(seconds=n)).isoformat()


async def _listen(client: httpx2.AsyncClient, heard: "asyncio.Queue[float]") -> None:
    position = (await client.get("/api/v1/overview")).json()["position"]
    async with client.stream("GET", f"/api/v1/live?since={position}") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: ") and STATION in line:
                for row in json.loads(line[6:]).get("rows", ()):
                    if row["id"].endswith(f":{STATION}") and row["headline"]:
                        heard.put_nowait(row["headline"]["value"])
