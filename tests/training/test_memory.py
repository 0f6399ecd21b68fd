"""Memory that runs out ends the round in one line or drops one child."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from rounds import arguments, run
from still import STILL, rows, states

from nasflow.__main__ import main
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.training import memory
from nasflow.training.local_siblings import LocalSiblings

NO_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory: 8 bytes"
)


def starve(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let child 2 run out of memory from its fourth step on, and return what torch said.

    The child gets one image two million times (a view, which takes no memory), and the process
    64 MB more than it holds: torch's allocator fails in earnest, however many hundred megabytes
    earlier tests have freed in this process.
    """
    train, said = LocalSiblings.train, []

    steps = dict.fromkeys(range(99), 0)

    def short(self: LocalSiblings, i: int, batches: Any, *rest: Any) -> Any:
        steps[i] += 1
        if i != 2 or steps[i] < 4:
            return train(self, i, batches, *rest)
        large = tuple(part[:1].expand(2_000_000, *part.shape[1:]) for part in batches[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 64_000_000, before[1]))
        try:
            return train(self, i, [large], *rest)
        except RuntimeError as error:
            said.append(str(error))
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    monkeypatch.setattr(LocalSiblings, "train", short)
    return said


linux = pytest.mark.skipif(sys.platform != "linux", reason="bounds a process as Linux does")


@linux
def test_out_of_memory_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = starve(monkeypatch)
    options = arguments(folder, "starved", **STILL)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert main(["search_round", *words]) == 2 and said
    lines = [line for line in capsys.readouterr().err.splitlines() if "nasflow" in line]
    assert len(lines) == 1 and "out of memory" in lines[0] and "max_memory" in lines[0]
    assert not (folder / "starved/status.json").exists()


@linux
def test_out_of_memory_drops_the_child_where_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starve(monkeypatch)
    out = run(folder, "dropped", 1, on_oom="drop", **STILL)
    assert [(r["node"], r["died_at"]) for r in rows(out) if r["died_of"] == "memory"] == [(2, 4)]
    assert read_json(out / "status.json")["reason"] == "max_steps"


@pytest.mark.parametrize("text", [*memory.SAYINGS, NO_MEMORY])
def test_libraries_say_in_many_ways_that_memory_ran_out(text: str) -> None:
    assert memory.exhausted(RuntimeError(f"{text}: 8"))
    assert not memory.exhausted(ValueError(text)) and not memory.exhausted(RuntimeError("shape"))


def test_children_keep_to_their_part_of_the_memory(folder: Path) -> None:
    g = read_checkpoint(folder / "pretrain/network").network.architecture
    taken = memory.megabytes(g, 64)
    free = rows(run(folder, "free", 1, **STILL))
    bound = rows(run(folder, "bound", 1, max_memory=6 * taken * 1.05, **STILL))
    assert {row["fingerprint"] for row in bound} != {row["fingerprint"] for row in free}
    _, stop = states(folder, max_memory=6 * taken * 1.05, **STILL)
    sizes = [memory.megabytes(c.network.architecture, 64) for c in stop.children]
    assert sizes and max(sizes) <= taken * 1.05
    with pytest.raises(ValueError, match=r"search\.max_memory: .* raise it"):
        run(folder, "none", 1, max_memory=6 * taken * 0.99, **STILL)
