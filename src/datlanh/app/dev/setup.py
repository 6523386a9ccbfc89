"""`make setup`: what the tests need beside Python: Debian's chromium and mosquitto, and the web packages.

As root it installs what is missing; as an ordinary user it says exactly what is missing and fails. No test
changes the machine by itself, and none passes by being skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Debian package and a program that it brings.
NEEDED = (("chromium", "chromium"), ("mosquitto", "mosquitto"))
NODE = (20, 19)


def find(program: str) -> str | None:
    """Where a program is; Debian keeps servers where an ordinary user's PATH does not look."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def main() -> int:
    """Install or say what is missing; 0 when nothing is."""
    missing = [package for package, program in NEEDED if find(program) is None]
    if missing and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            check=True,
            env=quiet,
            stdout=subprocess.DEVNULL,
        )
        missing = [package for package, program in NEEDED if find(program) is None]
    node = find("node")
    told = [f"apt-get install {package}" for package in missing]
    if node is None or _version(node) < NODE:
        told.append("install Node.js 20.19 or newer (nodejs and npm)")
    if told:
        print("The tests need more than is here. As an administrator:", *told, sep="\n  ", file=sys.stderr)
        return 1
    web = Path("web")
    lock, stamp = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=web, check=True)
        stamp.touch()
    return 0


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])


if __name__ == "__main__":
    sys.exit(main())
