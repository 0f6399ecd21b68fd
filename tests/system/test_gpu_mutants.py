"""Has the pretended GPU teeth? Every planted bug is noticed, by a rule or by a wrong number.

A planted bug replaces a name of the package, or gives it a wrong part, while captured steps are
compared with the numbers of eager ones. Each says in its name what is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from cases import network
from on_gpu import batch
from pretended_gpu import Machine

from nasflow.kernels.batch_norm import _Fused
from nasflow.network import network as networks
from nasflow.training import cuda_graph, joint_step, optim, sibling
from nasflow.training.cuda_graph import Captured
from nasflow.training.joint_step import JointStep
from nasflow.training.sibling import Sibling
from nasflow.training.siblings import Siblings

Patch = pytest.MonkeyPatch
Draw = Callable[[int], Any]
RULE = optim.heavy_ball(friction=1.0, weight_decay=1e-3)


LATEST = [0]  # the number of the latest batch


def own(seed: int) -> list[Any]:
    """A batch for each of two siblings."""
    LATEST[0] = seed
    return [batch(seed), batch(100 + seed)]


def steps(rule: optim.Update, draw: Draw, *, captured: bool) -> list[Any]:
    """Train and validate two siblings for three steps; return the losses."""
    family = [network(seed, 0).to("cuda") for seed in (1, 2)]
    with Siblings(family, rule, average=4, captured=captured) as live:
        return [live.step(draw(k), draw(50 + k), 0.1 / (k + 1)) for k in range(3)]


@functools.cache
def right(rule: optim.Update = RULE) -> list[Any]:
    with Machine():
        return steps(rule, own, captured=False)


def noticed(work: Callable[[], object]) -> str:
    """Return the first rule that is broken, or the wrong numbers, or that nothing is noticed."""
    machine = Machine(devices=2)
    try:
        with machine:
            work()
    except AssertionError as error:
        return machine.broken[0] if machine.broken else f"wrong numbers: {error}"
    return "nothing"


def trained(rule: optim.Update = RULE, draw: Draw = own, like: optim.Update = RULE) -> str:
    """Compare captured steps with eager ones of the rule `like`; return what is noticed."""
    wanted = right(like)

    def work() -> None:
        np.testing.assert_allclose(steps(rule, draw, captured=True), wanted, rtol=1e-4)

    return noticed(work)


def test_nothing_is_noticed_where_nothing_is_planted() -> None:
    assert trained() == "nothing"


def baked(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    RULE(x, v, g, 0.1)


def asked(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    RULE(x, v, g, float(tau))


def on_cpu(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    RULE(x, v, g, torch.tensor(0.1))


def sent(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    RULE(x, v, g, tau * torch.tensor(1.0, device="cuda"))


def drawn(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    RULE(x, v, g, tau * (1.0 + 1e-9 * torch.rand((), device="cuda")))


def waiting(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    torch.cuda.synchronize()
    RULE(x, v, g, tau)


def masked(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    for t in g:
        t.sub_(0.0 * t[t.isfinite()].sum())
    RULE(x, v, g, tau)


def counted(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    """The step size depends on a number of Python, which is another one in each step."""
    RULE(x, v, g, tau * (1.0 + LATEST[0]))


def by_numpy(x: Any, v: Any, g: Any, tau: Any, each: Any = map) -> None:
    for t in x:
        t.detach().numpy()


RULES: dict[str, tuple[optim.Update, str]] = {
    "tau is baked into the graph": (baked, "wrong numbers"),
    "tau is fetched by the host": (asked, "item: the host waits"),
    "tau is a number of the CPU": (on_cpu, "a number on the CPU is baked"),
    "a number is sent to the GPU": (sent, "torch.tensor: the host waits"),
    "a random number": (drawn, "a random number in the graph"),
    "the host waits for the GPU": (waiting, "synchronize: the host waits"),
    "an index that the host must know": (masked, "nonzero: the host waits"),
    "numpy reads the weights": (by_numpy, "read by the host"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_wrong_update_rule_is_noticed(name: str) -> None:
    rule, words = RULES[name]
    assert words in trained(rule)


def test_a_number_of_python_that_is_baked_into_the_graph_is_noticed() -> None:
    assert "wrong numbers" in trained(counted, like=counted)


def labels_on_the_cpu(k: int) -> list[Any]:
    return [(x, y.cpu()) for x, y in own(k)]


def images_on_another_gpu(k: int) -> list[Any]:
    return [(x.to("cuda:1"), y) for x, y in own(k)]


@pytest.mark.parametrize("draw", [labels_on_the_cpu, images_on_another_gpu])
def test_a_batch_on_a_wrong_device_is_noticed(draw: Draw) -> None:
    assert "mixed" in trained(draw=draw)


def no_copy(patch: Patch) -> None:
    patch.setattr(cuda_graph, "_copy", lambda into, batches: None)


def copies_elsewhere(patch: Patch) -> None:
    """The batch is copied on a stream that the graph does not wait for."""
    copy = cuda_graph._copy

    def elsewhere(*given: Any) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            copy(*given)

    patch.setattr(cuda_graph, "_copy", elsewhere)


def new_buffers(patch: Patch) -> None:
    """After the capture, the batch is put into other memory."""
    capture = Captured._capture

    def forgetful(self: Any, *given: Any) -> None:
        capture(self, *given)
        train = [(x.clone(), y.clone()) for x, y in self._inputs.train]
        self._inputs = self._inputs._replace(train=train)

    patch.setattr(Captured, "_capture", forgetful)


def keeps_the_warm_up(patch: Patch) -> None:
    patch.setattr(Sibling, "tensors", property(lambda self: []))


def replaces_state(patch: Patch) -> None:
    slope = Sibling.slope

    def replaced(self: Sibling, *given: Any) -> Any:
        found = slope(self, *given)
        for name, t in self.last.buffers.items():
            self.last.buffers[name] = t.clone()
        return found

    patch.setattr(Sibling, "slope", replaced)


def validates_too_early(patch: Patch) -> None:
    """Validation does not wait for the update of the weights."""
    update = joint_step.update

    def beside(*given: Any) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            update(*given)

    patch.setattr(joint_step, "update", beside)


def validates_too_late(patch: Patch) -> None:
    """The update does not wait for a validation that still reads the weights."""
    slopes = JointStep._slopes

    def beside(self: Any, batches: Any, each: Any) -> Any:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._siblings[0].validate(batches[0])
        return slopes(self, batches, each)

    patch.setattr(JointStep, "_slopes", beside)


def takes_a_wrong_batch(patch: Patch) -> None:
    slopes = JointStep._slopes
    patch.setattr(JointStep, "_slopes", lambda self, b, each: slopes(self, b[:1], each))


def averages_nothing(patch: Patch) -> None:
    launch = Captured.launch
    patch.setattr(Captured, "launch", lambda self, *given: launch(self, *given[:-1], 0.0))


def stale_tau(patch: Patch) -> None:
    launch = Captured.launch
    stale = lambda self, *given: launch(self, *given[:-2], 0.1, given[-1])  # noqa: E731
    patch.setattr(Captured, "launch", stale)


def reads_losses_too_early(patch: Patch) -> None:
    """The losses come to the host by a copy that nobody waits for."""
    there = torch.Tensor.tolist

    def early(self: Any) -> Any:
        return there(self.to("cpu", non_blocking=True))

    from pretended_tensor import Cuda

    patch.setattr(Cuda, "tolist", early)


def uses_a_kernel_of_the_cpu(patch: Patch) -> None:
    def fused(z: Any, norm: Any, *, training: bool, pool: bool, smooth: bool = False) -> Any:
        return _Fused.apply(z, *norm, training, pool, smooth)

    patch.setattr(networks, "activated", fused)


def forks_nothing(patch: Patch) -> None:
    """No stream waits for the stream of the capture."""
    waits = Machine.stream_waits

    def rarely(self: Machine, stream: Any, event: Any) -> None:
        if self.capturing is None or stream in self.inside:
            waits(self, stream, event)

    patch.setattr(Machine, "stream_waits", rarely)


def joins_nothing(patch: Patch) -> None:
    """The stream of the capture waits for no other stream."""
    waits = Machine.stream_waits

    def rarely(self: Machine, stream: Any, event: Any) -> None:
        if self.capturing is None or stream not in self.inside:
            waits(self, stream, event)

    patch.setattr(Machine, "stream_waits", rarely)


def loses_work(patch: Patch) -> None:
    """A sum of the graph is made by the host, from numbers of the capture."""
    loss = sibling.mean_loss
    patch.setattr(
        sibling, "mean_loss", lambda *given: loss(*given) * given[0].detach().sum().item()
    )


PLANTED: dict[Callable[[Patch], None], str] = {
    no_copy: "wrong numbers",
    copies_elsewhere: "may still write",
    new_buffers: "freed after the capture",
    keeps_the_warm_up: "wrong numbers",
    replaces_state: "freed after the capture",
    validates_too_early: "may still",
    validates_too_late: "may still",
    takes_a_wrong_batch: "wrong numbers",
    averages_nothing: "wrong numbers",
    stale_tau: "wrong numbers",
    reads_losses_too_early: "given out again",
    uses_a_kernel_of_the_cpu: "read by the host",
    forks_nothing: "did not fork",
    joins_nothing: "may still write",
    loses_work: "item: the host waits",
}


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_bug_is_noticed(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    right()
    plant(monkeypatch)
    assert PLANTED[plant] in trained()
