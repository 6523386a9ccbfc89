"""`make test`: every test there is, in the order in which a fault is found soonest.

Each part is a command with its own exit code; the first that fails ends the run with that code.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from datlanh.app.dev.setup import find

# Python 3.11 before .8 can fail by chance while pytest rewrites a large module for the first time, when the garbage
# collector runs in the middle of it (cpython issue 106905). Done once without the collector, it is done for good.
_COLLECT = (
    "import gc, sys, pytest; gc.disable(); sys.exit(pytest.main(['-qq', '--collect-only', 'tests', 'packs']))"
)

PARTS: tuple[tuple[str, list[str]], ...] = (
    ("lint", ["ruff", "check", "."]),
    ("floors", ["lint-imports", "--no-logo"]),
    ("types", ["mypy", "src/datlanh"]),
    ("web", ["npm", "--prefix", "web", "run", "check"]),
    ("web unit", ["npm", "--prefix", "web", "test"]),
    ("collect", [sys.executable, "-c", _COLLECT]),
    ("small", ["pytest", "-q", "-n", "2", "tests/small"]),
    ("shape", ["pytest", "-q", "tests/shape"]),
    ("story", ["pytest", "-q", "-n", "2", "--dist", "loadfile", "tests/story"]),
    ("browser", ["pytest", "-q", "tests/e2e"]),
    ("packs", ["pytest", "-q", "packs"]),
)


def main() -> int:
    """Run all parts; 0 when all pass."""
    chromium = find("chromium") or "chromium"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATLANH_")},
        "DATLANH_CHROMIUM": chromium,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin",
    }
    if url := os.environ.get("DATLANH_TEST_DATABASE_URL"):
        environment["DATLANH_TEST_DATABASE_URL"] = url
    asked = sys.argv[1:]
    for name, command in PARTS:
        if asked and name not in asked:
            continue
        begun = time.monotonic()
        print(f"== {name}: {' '.join(command)}", flush=True)
        code = subprocess.run(command, env=environment, check=False).returncode
        print(
            f"== {name}: {'passed' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - begun:.1f} s",
            flush=True,
        )
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
