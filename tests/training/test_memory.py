"""Memory that runs out ends the round in one line or drops one child; its estimate is right."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
import torch
from rounds import arguments, run
from still import STILL, rows, states

from nasflow.__main__ import main
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.network.network import forward, initialise
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


OF_GPUS = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.15 GiB of "
    "which 8.25 MiB is free. Including non-PyTorch memory, this process has 79.14 GiB in use.",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "GET was unable to find an engine to execute this computation",
    "CUDA ran out of memory outside PyTorch's allocator. If this workload uses many shapes",
)


@pytest.mark.parametrize("text", OF_GPUS)
def test_the_libraries_of_a_gpu_say_it_in_ways_of_their_own(text: str) -> None:
    for kind in (RuntimeError, torch.AcceleratorError, torch.OutOfMemoryError):
        gpu, reason = memory.shortage(kind(text)) or (False, "")
        assert gpu and text.startswith(reason) and "\n" not in reason
    if "is free." in text:
        assert reason.endswith("is free.")


def test_a_lack_of_memory_counts_behind_the_error_of_a_capture_too() -> None:
    end = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    assert not memory.exhausted(end)
    end.__context__ = ValueError("on the way")
    end.__context__.__context__ = torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB")
    assert memory.shortage(end) == (True, "CUDA out of memory. Tried 2 GiB")
    end.__context__.__context__.__cause__ = end  # a circle must not hang
    assert memory.exhausted(end)
    cause = RuntimeError("a bug")
    cause.__cause__ = MemoryError()
    assert memory.shortage(cause) == (False, "no memory left")


def test_a_gpu_without_memory_ends_the_round_in_one_line_and_its_state_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = arguments(folder, "full", **STILL)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    train, steps = LocalSiblings.train, []

    def short(self: LocalSiblings, i: int, *rest: Any) -> Any:
        steps.append(i)
        if len(steps) == 20:
            try:
                raise torch.OutOfMemoryError(OF_GPUS[0])
            finally:
                raise RuntimeError("CUDA error: operation failed due to a previous error")
        return train(self, i, *rest)

    monkeypatch.setenv("NASFLOW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(LocalSiblings, "train", short)
    assert main(["search_round", *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "nasflow" in line]
    assert len(lines) == 1
    for part in ("out of memory on the GPU (CUDA out", "8.25 MiB is free.)", "search.batch_size"):
        assert part in lines[0]
    for part in ("search.n_neigh", "search.max_memory", "set search.precision to bfloat16"):
        assert part in lines[0]
    assert main(["search_round", *words]) == 0
    assert "goes on after step 3" in capsys.readouterr().err
    whole = run(folder, "enough", 1, **STILL)
    for name in ("particles.parquet", "architectures.parquet", "winner.safetensors"):
        assert (whole / name).read_bytes() == (folder / "full" / name).read_bytes()


ESTIMATED = {
    "every node": cases.EVERY_NODE,
    "a chain": chain((16, 32, 64), 3, (3, 32, 32), 10, "head"),
    **{name: TEMPLATES[name]((3, 32, 32), 10) for name in ("chain6", "resnet20", "airbench")},
    **{f"varied {seed}": cases.varied(seed).architecture for seed in (0, 1, 3, 4)},
}


def really_kept(g: Architecture, *, half: bool, fused: bool, batch: int = 2) -> float:
    """Count the bytes for each image that autograd and the kernels keep."""
    _, x, buffers, _ = initialise(g, np.random.default_rng(0))
    leaves = {name: t.requires_grad_() for name, t in x.items()}
    images = torch.randn(batch, *g.shapes[0]).contiguous(memory_format=torch.channels_last)
    found: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        if t.ndim > 1 and len(t) == batch:
            found[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False),
    ):
        y = forward(g, leaves, buffers, images, training=True, fused=fused)
    seen, left = set(), [y.grad_fn]
    while left:  # the kernels keep tensors beside autograd
        if (node := left.pop()) is not None and node not in seen:
            seen.add(node)
            kept = getattr(node, "kept", None)
            for part in kept if isinstance(kept, tuple) else (kept,):
                if isinstance(part, torch.Tensor):
                    keep(part)
            left += [before for before, _ in node.next_functions]
    return sum(found.values()) / batch


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ESTIMATED)
def test_the_estimate_is_what_autograd_keeps(name: str, fused: bool, half: bool) -> None:
    """`fused=False` are the operations of a GPU, whose maps have the same types there."""
    real = really_kept(ESTIMATED[name], half=half, fused=fused)
    assert memory.kept(ESTIMATED[name], half=half, fused=fused) == pytest.approx(real, rel=0.15)


def test_the_bound_holds_on_every_device() -> None:
    g = chain((64, 128, 256), 3, (3, 32, 32), 10, "head")
    activations = memory.megabytes(g, 64) - 4e-6 * memory.COPIES * g.parameters
    assert activations == pytest.approx(78.4, abs=0.2)  # what was measured on torch's operations
    for one in ESTIMATED.values():
        sizes = [
            memory.kept(one, half=half, fused=fused)
            for fused, half in ((False, False), (False, True), (True, False), (True, True))
        ]
        assert max(sizes) == sizes[0]


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
