"""How much memory there is for images, and a refusal of data sets that do not fit into it.

All images of an experiment are in memory at once, with one byte for each value of a pixel.
"""

from __future__ import annotations

import resource
from pathlib import Path

MB = 1e6
SPARE = 100_000_000  # bytes that are kept free for everything besides the images
MEMORY = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # the limits of a container or of a job


def check(count: int, shape: tuple[int, int, int]) -> None:
    """Refuse images that do not fit into the memory that is free now.

    Args:
        count: the number of images.
        shape: height, width and channels of an image.

    Raises:
        ValueError: if the decoded images need more than the free memory less SPARE bytes; it names
            the key `data.size`, which makes them smaller.
    """
    height, width, channels = shape
    needed, free = count * height * width * channels, available()
    if free is not None and needed + SPARE > free:
        raise ValueError(
            f"data.size: {count:,} images of {width} x {height} x {channels} need "
            f"{needed / MB:,.0f} MB of memory, and {max(free, 0) / MB:,.0f} MB are free; expected "
            f"all images to fit into the memory with {SPARE / MB:,.0f} MB to spare; set a smaller "
            "data.size or give fewer images"
        )


def available() -> int | None:
    """Return how many bytes this process may still take, or None where nothing tells it.

    It is the smallest of three figures: the free memory of the machine, what the limits of the
    container or the job leave, and what the limit of the address space (`ulimit -v`) leaves.
    """
    found = [_machine(), _group(), _addresses()]
    return min((one for one in found if one is not None), default=None)


def _machine() -> int | None:
    try:
        facts = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, LookupError, ValueError):
        return None


def _group() -> int | None:
    """What the cgroup (version 2) of this process leaves; memory of cached files counts as free."""
    try:
        limit = int((GROUP / "memory.max").read_text())
        used = int((GROUP / "memory.current").read_text())
        facts = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
        return limit - used + int(facts.get("inactive_file", 0))
    except (OSError, ValueError):  # no such file, or `max`, which means no limit
        return None


def _addresses() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, LookupError):
        return limit
    return limit - pages * resource.getpagesize()
