"""The pretended GPU refuses what CUDA refuses, and allows what CUDA allows."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from pretended_gpu import Broken, Cuda, Machine

from nasflow.kernels import batch_norm
from nasflow.kernels.max_pool import max_pool


@pytest.fixture
def gpu() -> Iterator[Machine]:
    """A pretended machine with two GPUs; what a test lets it refuse is forgotten at the end."""
    with Machine(devices=2) as machine:
        yield machine
        machine.capturing = None
        machine.broken.clear()


def some(count: int = 4, device: str = "cuda") -> torch.Tensor:
    return torch.arange(float(count), device=device)


def captured(
    program: Callable[[], object], stream: torch.cuda.Stream | None = None
) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream or torch.cuda.Stream()):
        program()
    return graph


def test_numbers_are_those_of_the_cpu(gpu: Machine) -> None:
    a = torch.linspace(-1.0, 1.0, 12).view(3, 4)
    b = a.to("cuda")
    assert isinstance(b, Cuda) and b.device == torch.device("cuda:0") and b.is_cuda
    product = (b @ b.T).softmax(1).sum(0)
    assert isinstance(product, Cuda)
    torch.testing.assert_close(product.cpu(), (a @ a.T).softmax(1).sum(0))
    w = b.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((w * w).sum(), [w])
    torch.testing.assert_close(gradient.cpu(), 2.0 * a)


def test_lists_batches_and_own_functions_keep_their_device(gpu: Machine) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x * 2.0

        @staticmethod
        def backward(ctx: object, g: torch.Tensor) -> torch.Tensor:
            return g * 2.0

    x = [some().requires_grad_(), some(2).requires_grad_()]
    gradient = torch.autograd.grad(sum(Twice.apply(t).sum() for t in x), x)
    torch._foreach_mul_(list(gradient), torch.tensor(3.0, device="cuda"))
    assert [g.tolist() for g in gradient] == [[6.0] * 4, [6.0] * 2]
    many = torch.ones(3, 2, 2, device="cuda")
    product = torch.baddbmm(many, many, many, beta=2.0, alpha=0.5)
    assert isinstance(product, Cuda)
    torch.testing.assert_close(product.cpu(), torch.full((3, 2, 2), 3.0))


MIXED: dict[str, Callable[[], object]] = {
    "sum": lambda: some() + torch.ones(4),
    "stack": lambda: torch.stack([some(), torch.ones(4)]),
    "lists": lambda: torch._foreach_add_([some()], [torch.ones(4)]),
    "two GPUs": lambda: some(device="cuda:0") + some(device="cuda:1"),
    "numpy": lambda: some().numpy(),
    "array": lambda: np.asarray(some()),
    "a kernel of numba": lambda: max_pool.__globals__["_MaxPool"].apply(
        torch.ones(1, 1, 2, 2, device="cuda")
    ),
    "a fused kernel": lambda: batch_norm._Fused.apply(
        torch.ones(1, 1, 2, 2, device="cuda"), *(some(1) for _ in range(4)), True, False, False
    ),
    "no such GPU": lambda: torch.zeros(2, device="cuda:2"),
    "a generator of the CPU": lambda: torch.rand(2, generator=torch.Generator(), device="cuda"),
}


@pytest.mark.parametrize("name", MIXED)
def test_devices_are_not_mixed(gpu: Machine, name: str) -> None:
    with pytest.raises(Broken):
        MIXED[name]()
    assert gpu.broken


def test_what_is_refused_cannot_be_hidden() -> None:
    machine = Machine()
    machine.__enter__()
    with contextlib.suppress(AssertionError):
        some().numpy()
    with pytest.raises(AssertionError, match="hidden"):
        machine.__exit__(None, None, None)


WAITS: dict[str, Callable[[torch.Tensor], object]] = {
    "item": lambda t: t.sum().item(),
    "float": lambda t: float(t[0]),
    "bool": lambda t: bool(t[0] > 0),
    "tolist": lambda t: t.tolist(),
    "cpu": lambda t: t.cpu(),
    "equal": lambda t: torch.equal(t, t),
    "nonzero": lambda t: t.nonzero(),
    "a mask": lambda t: t[t > 1],
    "indices of the CPU": lambda t: t[torch.tensor([0, 1])],
    "pageable memory": lambda t: t.copy_(torch.ones(4)),
    "pageable memory, not blocking": lambda t: t.copy_(torch.ones(4), non_blocking=True),
    "a number": lambda t: torch.tensor(1.0, device="cuda"),
    "the device": lambda t: torch.cuda.synchronize(),
    "a stream": lambda t: torch.cuda.current_stream().synchronize(),
    "an event": lambda t: torch.cuda.current_stream().record_event().synchronize(),
}


@pytest.mark.parametrize("name", WAITS)
def test_waits_of_the_host_are_counted_and_refused_in_a_capture(gpu: Machine, name: str) -> None:
    t = some()
    with gpu.counting() as count:
        WAITS[name](t)
    assert count["wait"] == 1
    with gpu.counting() as count:
        t.add_(1.0).mul_(t.new_full((), 2.0))
        assert len((t.view(2, 2), t[1:], torch.empty_like(t))) == 3
    assert count == {"launch": 3}
    with pytest.raises(Broken, match="previous error"):
        captured(lambda: WAITS[name](t))


def test_a_capture_computes_nothing_and_a_replay_computes_all(gpu: Machine) -> None:
    x, made = some(), []

    def program() -> None:
        zero = torch.zeros(4, device="cuda")
        x.add_(1.0)
        made.append(zero.add_(x) * 2.0)

    graph = captured(program)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.isnan(made[0].tolist()).all()
    for k in (1.0, 2.0):
        graph.replay()
        assert made[0].tolist() == [2.0 * (k + i) for i in range(4)]
    x.zero_()
    graph.replay()
    assert made[0].tolist() == [2.0] * 4
    assert gpu.captured == [4]


def test_a_capture_may_set_numbers_at_a_mask(gpu: Machine) -> None:
    """PyTorch makes masked_fill of it, which needs no index."""
    x = some()
    graph = captured(lambda: x.__setitem__(x > 1.0, 7.0))
    graph.replay()
    assert x.tolist() == [0.0, 1.0, 7.0, 7.0]


REFUSED: dict[str, Callable[[torch.Tensor], object]] = {
    "a number of the CPU": lambda t: t.mul_(torch.tensor(2.0)),
    "a random number": lambda t: t.normal_(),
    "random numbers": lambda t: t.add_(torch.rand(4, device="cuda")),
    "dropout": lambda t: torch.nn.functional.dropout(t),
    "a stream that was not forked": lambda t: _elsewhere(lambda: t.add_(1.0)),
    "a stream that is not joined": lambda t: _forked(lambda: t.add_(1.0)),
    "a capture": lambda t: captured(lambda: None),
    "an event of before": lambda t: EVENT[0].wait(),
    "a question": lambda t: torch.cuda.current_stream().record_event().query(),
}
EVENT: list[torch.cuda.Event] = []


def _elsewhere(work: Callable[[], object]) -> None:
    with torch.cuda.stream(torch.cuda.Stream()):
        work()


def _forked(work: Callable[[], object], join: bool = False) -> None:
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(main)
    with torch.cuda.stream(side):
        work()
    if join:
        main.wait_stream(side)


@pytest.mark.parametrize("name", REFUSED)
def test_a_capture_refuses(gpu: Machine, name: str) -> None:
    t = some()
    EVENT[:] = [torch.cuda.current_stream().record_event()]
    with pytest.raises(Broken):
        captured(lambda: REFUSED[name](t))


def test_a_capture_ends_with_an_error_of_its_own_after_an_error_inside(gpu: Machine) -> None:
    """As in CUDA: it hides the first error, and the stream of the capture stays the current one."""
    x, side = some(), torch.cuda.Stream()
    with pytest.raises(RuntimeError, match="previous error") as caught:
        captured(x.sum().item, side)
    assert isinstance(caught.value.__context__, Broken)
    assert torch.cuda.current_stream() is side
    with pytest.raises(RuntimeError, match="unjoined") as caught:
        captured(lambda: _forked(lambda: 1 // some().numel().bit_count() and x.add_(1.0)))
    with pytest.raises(ZeroDivisionError):
        captured(lambda: 1 // 0)
    assert not torch.cuda.is_current_stream_capturing()


def test_memory_can_run_out(gpu: Machine) -> None:
    x = some()
    gpu.fails_after = 2
    x.add_(1.0).add_(1.0)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        x.add_(1.0)


def test_streams_must_wait_for_one_another(gpu: Machine) -> None:
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()
    x = some()
    with torch.cuda.stream(side), pytest.raises(Broken, match="may still write"):
        x * 2.0
    side.wait_stream(main)
    with torch.cuda.stream(side):
        y = x * 2.0
    with pytest.raises(Broken, match="may still read"):
        x.zero_()
    for read in (y.sum, y.tolist):
        with pytest.raises(Broken, match="may still write"):
            read()
    event = side.record_event()
    main.wait_event(event)
    x.zero_()
    assert y.sum().item() == 12.0


def test_the_host_orders_streams_by_waiting(gpu: Machine) -> None:
    side = torch.cuda.Stream()
    for wait in (torch.cuda.synchronize, torch.cuda.current_stream().synchronize):
        x = some()
        wait()
        with torch.cuda.stream(side):
            x.add_(1.0)
        event = side.record_event()
        assert not event.query() and event.query(), "it was not known at first"
        x.add_(1.0)


def test_a_replay_is_one_operation_of_the_current_stream(gpu: Machine) -> None:
    x, side = some(), torch.cuda.Stream()
    graph = captured(lambda: _forked(lambda: x.add_(1.0), join=True))
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        graph.replay()
    with pytest.raises(Broken, match="may still"):
        x.copy_(some())
    torch.cuda.current_stream().wait_stream(side)
    assert x.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_graph_must_not_read_memory_that_was_freed(gpu: Machine) -> None:
    held = [some()]
    out = some()
    graph = captured(lambda: out.copy_(held[0]))
    graph.replay()
    held.clear()
    with pytest.raises(Broken, match="freed"):
        graph.replay()


@pytest.mark.parametrize("lent", [False, True])
def test_memory_is_not_given_out_again_too_early(gpu: Machine, lent: bool) -> None:
    side, x = torch.cuda.Stream(), some()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        y = x + 1.0
    if lent:
        x.record_stream(side)
    del x
    if lent:
        some()
    else:
        with pytest.raises(Broken, match="given out again"):
            some()
    torch.cuda.current_stream().wait_stream(side)
    assert (some() + y).tolist() == [1.0, 3.0, 5.0, 7.0]


def test_pinned_memory_makes_copies_that_nobody_waits_for(gpu: Machine) -> None:
    x, there = torch.empty(4, device="cuda"), torch.arange(4.0).pin_memory()
    assert there.is_pinned() and not torch.ones(2).is_pinned()
    assert torch.zeros(2, pin_memory=True).is_pinned()
    with gpu.counting() as count:
        x.copy_(there, non_blocking=True)
        moved = there.to("cuda", non_blocking=True)
    assert count["wait"] == 0 and count["h2d"] == 2
    torch.cuda.synchronize()
    there.numpy()[:] = 7.0
    assert x.tolist() == moved.tolist() == [0.0, 1.0, 2.0, 3.0]
    with gpu.counting() as count:
        x.copy_(there)
    assert count["wait"] == 1


def test_pinned_memory_must_stay_until_its_copy_is_done(gpu: Machine) -> None:
    x, there = torch.empty(4, device="cuda"), torch.arange(4.0).pin_memory()
    x.copy_(there, non_blocking=True)
    event = torch.cuda.current_stream().record_event()
    there.numpy()[0] = 5.0
    with pytest.raises(Broken, match="overwritten"):
        event.synchronize()


@pytest.mark.parametrize("in_graph", [False, True])
def test_numbers_that_come_back_are_there_after_a_wait(gpu: Machine, in_graph: bool) -> None:
    x, here = some(), torch.zeros(4).pin_memory()
    with gpu.counting() as count:
        if in_graph:
            captured(lambda: here.copy_(x, non_blocking=True)).replay()
        else:
            here.copy_(x, non_blocking=True)
        late = x.to("cpu", non_blocking=True)
    assert count["wait"] == int(in_graph), "a capture begins with a wait"
    assert np.isnan(here.numpy()).all() and np.isnan(late.numpy()).all()
    event = torch.cuda.current_stream().record_event()
    x.zero_()
    event.synchronize()
    assert here.tolist() == late.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_graph_reads_pinned_memory_when_it_is_replayed(gpu: Machine) -> None:
    x, there = some(), torch.ones(4).pin_memory()
    graph = captured(lambda: x.copy_(there, non_blocking=True))
    for k in (3.0, 4.0):
        there.fill_(k)
        graph.replay()
        assert x.tolist() == [k] * 4
    graph.replay()
    there.fill_(5.0)
    with pytest.raises(Broken, match="overwritten"):
        torch.cuda.synchronize()


def test_devices_are_chosen_and_remembered(gpu: Machine) -> None:
    assert torch.cuda.device_count() == 2 and torch.cuda.current_device() == 0
    torch.cuda.set_device(1)
    assert some().device == torch.device("cuda:1")
    with torch.cuda.device("cuda:0"):
        assert some().device == torch.device("cuda:0")
    stream = torch.cuda.Stream("cuda:0")
    with torch.cuda.stream(stream):
        assert torch.cuda.current_device() == 0 and torch.cuda.current_stream() is stream
    assert torch.cuda.current_stream().device == torch.device("cuda:1")
    there = some(device="cuda:0").to("cuda")
    assert there.device == torch.device("cuda:1") and gpu.count["p2p"] == 1
    draws = torch.rand(3, generator=torch.Generator("cuda").manual_seed(3), device="cuda")
    assert draws.device == torch.device("cuda:1")


def test_only_the_gpus_that_are_used_have_a_context(gpu: Machine) -> None:
    torch.cuda.set_device("cuda:1")
    x = some(device="cuda")
    captured(x.zero_).replay()
    torch.cuda.synchronize()
    assert gpu.contexts == {1}
    torch.cuda.synchronize("cuda:0")
    assert gpu.contexts == {0, 1}


def test_memory_that_is_held_is_counted(gpu: Machine) -> None:
    before = torch.cuda.memory_allocated()
    held = [torch.zeros(256, 4, device="cuda"), torch.zeros(1, device="cuda")]
    assert torch.cuda.memory_allocated() - before == 4096 + 512
    views = held[0][:2]
    del held
    assert torch.cuda.memory_allocated() - before == 4096
    del views
    assert torch.cuda.memory_allocated() == before
    assert torch.cuda.max_memory_allocated() - before == 4096 + 512
    torch.cuda.reset_peak_memory_stats()
    assert torch.cuda.max_memory_allocated() == before


def test_a_graph_dies_with_its_last_reference(gpu: Machine) -> None:
    x = some()
    graph = captured(lambda: x.add_(1.0))
    gone = weakref.ref(graph)
    gc.disable()
    try:
        del graph
        assert gone() is None
    finally:
        gc.enable()


def test_operations_on_lists_launch_one_kernel_where_they_can(gpu: Machine) -> None:
    kernel = torch.zeros(2, 3, 3, 3, device="cuda")
    last = torch.zeros(2, 3, 3, 3, device="cuda").contiguous(memory_format=torch.channels_last)
    with gpu.counting() as count:
        torch._foreach_add_([kernel, some()], [kernel, some()])
    assert count["launch"] == 3, "with two ranges"
    with gpu.counting() as count:
        torch._foreach_add_([kernel, kernel], [last, last])
    assert count["launch"] == 2, "tensors in another order are taken one by one"
