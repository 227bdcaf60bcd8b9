"""What the kernel knows about processes: /proc."""

import os
from pathlib import Path

KIB = 1024
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat after the command's closing parenthesis (proc(5): fields 14 and 15)."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def workers(pid: int) -> list[int]:
    """Return the processes that answer requests: the children of a supervisor, or the process itself."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    children = [int(child) for child in listed]
    # multiprocessing keeps a process of its own for shared memory, which answers nothing
    serving = [child for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]
    return serving or [pid]


def pss_mib(pid: int) -> float:
    """Return the proportional set size: private pages, and a fair share of what is shared with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0]) / KIB
    raise RuntimeError(f"the kernel tells no Pss of process {pid}")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / TICKS_PER_SECOND
