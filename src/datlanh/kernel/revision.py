"""Which revisions of the database this program wants; read from the files, without loading what migrates."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg

FLOORS = ("kernel", "people", "collect", "keep", "measure", "detect", "operate", "share")
_REVISION = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
_DOWN = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)


def folders() -> list[Path]:
    """The folders of migrations, one a floor; found, not imported."""
    found = []
    for floor in FLOORS:
        spec = find_spec(f"datlanh.{floor}") if floor != "kernel" else None
        places = spec.submodule_search_locations if spec is not None else [str(Path(__file__).parent)]
        folder = Path(next(iter(places or ()))) / "migrations"
        if folder.is_dir():
            found.append(folder)
    return found


@cache
def heads() -> tuple[str, ...]:
    """The newest revision of each floor."""
    texts = [path.read_text("utf-8") for folder in folders() for path in folder.glob("*.py")]
    revisions = {match[1] for text in texts if (match := _REVISION.search(text))}
    return tuple(sorted(revisions - {match[1] for text in texts if (match := _DOWN.search(text))}))


def is_current(url: str) -> bool:
    """Whether a database is where this program wants it."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute("SELECT to_regclass('kernel.revision')").fetchone()
        if row is None or row[0] is None:
            return False
        found = connection.execute("SELECT version_num FROM kernel.revision").fetchall()
    return tuple(sorted(version for (version,) in found)) == heads()
