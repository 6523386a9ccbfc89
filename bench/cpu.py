"""CPU seconds of processes, as the kernel counts them."""

import os
import resource
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    return sum(map(int, _fields(pid)[11:15])) / _TICKS


def of_server(postmaster: int) -> float:
    """CPU seconds of a PostgreSQL: its parent process, the living children and those that have ended."""
    total = of_process(postmaster)
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(folder.name))
        if fields and int(fields[1]) == postmaster:
            total += sum(map(int, fields[11:13])) / _TICKS
    return total


def ours() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident(pid: int) -> int:
    """Bytes that would be free if the process were not there: memory shared with others counts in parts."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ["0"] * 20
