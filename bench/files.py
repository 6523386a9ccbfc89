"""Station files of TT 10/2021 from the watched folder to state and history.

    python -m bench files [--long]

The files lie there when we begin to look; the clock runs from the first one that is acknowledged (moved to
`done/`) until the last one is applied. The ceiling is the folder alone: reading and renaming the same files.
"""

import time
from datetime import timedelta
from pathlib import Path

from bench.push import drained
from bench.row import Row
from bench.running import FILES, running
from datlanh.kernel import SystemClock
from datlanh.model.reading import Quality
from datlanh.testing import tt10
from datlanh.testing.signal import Sample

FILES_SHORT, FILES_LONG = 2_000, 20_000


def write(folder: Path, many: int) -> None:
    """Files of one instant each, with five readings."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = SystemClock().now().replace(microsecond=0) - timedelta(seconds=many)
    for n in range(many):
        at = begin + timedelta(seconds=n)
        rows = [
            (at, name, Sample(10 + n % 40 / 10, Quality.MEASURED))
            for name in ("pm25", "pm10", "no2", "so2", "o3")
        ]
        (folder / tt10.file_name(FILES, at)).write_bytes(tt10.write(FILES, "AirQualityObserved", rows))


def renamed(folder: Path) -> float:
    """Files a second that are only read and renamed."""
    done = folder / "done"
    done.mkdir()
    files = [path for path in folder.iterdir() if path.is_file()]
    begun = time.perf_counter()
    for path in files:
        path.read_bytes()
        path.rename(done / path.name)
    rate = len(files) / (time.perf_counter() - begun)
    for path in done.iterdir():
        path.rename(folder / path.name)
    done.rmdir()
    return rate


def measure(long: bool = False) -> list[Row]:
    """The row of the budget."""
    many = FILES_LONG if long else FILES_SHORT
    with running(("work",), backlog_s=3600) as run:
        inbox = run.settings.inbox_folder
        write(inbox / FILES, many)
        top = renamed(inbox / FILES)
        run.system.start("collect")
        while not run.value("SELECT EXISTS (SELECT FROM collect.journal)"):
            time.sleep(0.02)
        begun = time.monotonic()
        while run.value("SELECT count(*) FROM collect.journal") < many:
            time.sleep(0.1)
        taken = time.monotonic() - begun
        drained(run)
        seconds = time.monotonic() - begun
        stored = run.value("SELECT count(*) FROM keep.history")
    return [
        Row(
            what="station files (TT 10), end to end",
            figure=many / seconds,
            unit="files/s",
            against="reading and renaming them",
            ratio=many / seconds / top,
            must="≥ 1,000 files/s",
            good=many / seconds >= 1000 and stored == 5 * many,
            remark=f"{many} files of 5; acknowledged at {many / max(taken, 1e-3):,.0f}/s; {stored} readings stored",
        )
    ]
