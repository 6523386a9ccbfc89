"""`make bench`, or `python -m bench [NAME …] [--long]`: run the benchmarks and print the table.

Each `bench/<name>.py` with a function `measure(long: bool) -> list[Row]` is one benchmark. `--long` gives the
runs that the acceptance asks for (ten minutes for ingest); without it they are short.
"""

import importlib
import pkgutil
import signal
import sys
import time

import bench
from bench.row import HEAD, Row


def main() -> int:
    """Run what was asked for, all by default; 1 when a row that must hold does not."""
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    long = "--long" in sys.argv
    # Whoever ends us ends what we started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    for found in sorted(pkgutil.iter_modules(bench.__path__), key=lambda m: m.name):
        if asked and found.name not in asked:
            continue
        module = importlib.import_module(f"bench.{found.name}")
        if not hasattr(module, "measure"):
            continue
        begun = time.monotonic()
        measured = module.measure(long)
        if not rows:
            print(HEAD)
        for row in measured:  # at once: a long run that is broken off has told what it knew
            print(row.line(), flush=True)
        rows += measured
        print(f"{found.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return int(any(row.good is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
