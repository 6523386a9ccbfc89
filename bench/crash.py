"""`python -m bench.crash --kills N --seed S`: the outside oracle, for as long as one likes.

Kills our programs and PostgreSQL at random and at enumerated points while files, HTTP and MQTT flow; prints
what was acknowledged, lost, half applied and doubled. Exit code 1 when anything was.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from datlanh.testing.crash import POINTS, Campaign, free_port


def main() -> int:
    """Run one campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    broker = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    with tempfile.TemporaryDirectory(prefix="datlanh-crash-") as folder:
        Path(folder).chmod(0o755)
        verdict = Campaign(
            home=Path(folder),
            kills=asked.kills,
            seed=asked.seed,
            http_port=free_port(),
            mqtt_port=free_port(),
            broker=Path(broker) if broker else None,
            points=POINTS,
        ).run()
    print(f"kills            {verdict.kills} (of them at points: {', '.join(verdict.points)})")
    print(f"acknowledged     {sum(verdict.acked.values())} readings: {verdict.acked}")
    print(f"unknown          {verdict.unknown}")
    print(f"lost             {len(verdict.lost)} batches", *verdict.lost[:5], sep="\n  ")
    print(f"half applied     {len(verdict.half)} batches", *verdict.half[:5], sep="\n  ")
    print(f"counted twice    {verdict.duplicates}")
    print(f"never sent       {verdict.strangers}")
    slow = sorted(verdict.ready_s)
    print(f"ready again      p50 {slow[len(slow) // 2]:.1f} s, worst {slow[-1]:.1f} s")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
