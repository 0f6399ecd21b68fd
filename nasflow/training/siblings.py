"""m live networks that train and validate side by side.

Siblings are spread over ranks (processes), and those of a rank over its workers (threads; torch
releases the interpreter lock in its kernels). Each computes on one torch thread, so that the result
is bit for bit the same for any number of ranks and workers. torch's own threads do not give that:
its BatchNorm in channels-last memory already differs between one thread and two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nasflow.config.kinds import Precision
from nasflow.network.network import Network, Tensors
from nasflow.particles.flow import Vector
from nasflow.training import heap
from nasflow.training.batches import Split
from nasflow.training.cuda_graph import Captured
from nasflow.training.joint_step import JointStep
from nasflow.training.launched import Launched, reader
from nasflow.training.load_balance import longest, spread
from nasflow.training.local_siblings import LocalSiblings
from nasflow.training.optim import Update
from nasflow.training.process import computing
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.score import Score as Score
from nasflow.training.sibling import Batch, Manner, Sibling, named, tensors
from nasflow.training.teacher import Teacher

MEASURED = 10  # steps after which costs are seconds instead of FLOPs
WORTH = 0.95  # siblings move if the busiest rank then has less than this fraction of its load


class Siblings:
    """Live copies of networks, to be used in a `with` statement.

    Only while the statement lasts, torch computes on one thread and in the wanted precision. Every
    rank calls the same methods with the same arguments and gets the same answers.

    Validation uses running averages of x and of the BatchNorm statistics over `average` steps.
    Steps of size tau keep x in a cloud around its path. The cloud is wider the more parameters
    there are, so that larger networks look worse than they are while tau is high.

    On a GPU the step of all siblings of a rank is one CUDA graph (module `cuda_graph`), shards
    included. Only where `captured` is False, one thread starts one kernel after the other: siblings
    that take turns (module `turns`) need this, because a graph makes the step of all of them and
    cannot tell their seconds apart.

    Args:
        networks: what is copied; the first one is the centre of a round.
        update: the update rule of a training step.
        ranks: the processes that share the siblings.
        workers: threads of this process. A GPU gets its kernels from one thread, whatever this is.
        shards: equal parts of every training batch, with BatchNorm statistics of their own (the
            running statistics are their mean), so that a single network also fills the workers.
        average: steps of the running averages; 1 for validation at the last weights.
        label_smoothing: part of the target that is spread over all classes.
        class_weights: weights of the classes in the losses of training and validation, float32
            (classes,) on the device of the networks; None where all are 1.
        gains: for each sibling the factors of its gradients, by tensor name; empty for none.
        precision: of convolutions and head; everything else stays float32.
        captured: on a GPU, whether to use a CUDA graph instead of one kernel after the other.
        spare: where memory runs out in the step of a sibling, make its losses NaN and mark it in
            `starved`. Without `spare`, and in a CUDA graph always, the error is raised.
        teacher: whose probabilities they learn beside the labels; None for none.

    Attributes:
        captured: whether a step is a CUDA graph, so that `launch` does not wait for it. It is the
            same on every rank, also on one that has no sibling.
        starved: siblings whose latest step ran out of memory, or one of the steps of some siblings
            (`only`) before it, bool (m,).
    """

    def __init__(
        self,
        networks: Sequence[Network],
        update: Update,
        *,
        ranks: Ranks = ALONE,
        workers: int = 1,
        shards: int = 1,
        average: int = 1,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        gains: Sequence[Mapping[str, float]] = (),
        precision: Precision = Precision.FLOAT32,
        captured: bool = True,
        spare: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self._ranks, self._average, self._precision = ranks, average, precision
        half = precision == Precision.BFLOAT16
        self._manner = Manner(update, average, label_smoothing, half, class_weights, teacher)
        self._start, self._gains = list(networks), list(gains)
        self._measured, self._made = 0, np.zeros(len(networks), dtype=np.int64)
        self._costs = np.array([float(n.architecture.flops) for n in networks])
        self._seconds = np.zeros(len(networks))
        self.starved, self._resting = np.zeros((2, len(networks)), dtype=bool)
        self._short = np.zeros(len(networks), dtype=bool)  # `starved` of steps of some siblings
        self._owner = spread(list(self._costs), ranks.size)
        # What a rank does together with others may not depend on which siblings it has.
        on_gpu = next(iter(networks[0].x.values())).is_cuda
        self.captured, self._launched = captured and on_gpu, deque[Launched]()
        self._local = LocalSiblings(1 if on_gpu else workers, shards, spare)
        self._live = self._local.live
        self._live |= {i: self._born(i) for i in self._mine()}
        self._captured = None
        if self.captured and self._live:
            self._captured = Captured(JointStep({i: self._live[i] for i in self._order()}, shards))
        self._process = ExitStack()

    def __enter__(self) -> Siblings:
        self._process.enter_context(computing(self._precision))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()
        self._local.close()

    def __len__(self) -> int:
        return len(self._owner)

    @property
    def fingerprints(self) -> list[str]:
        """The fingerprints of the architectures, in order."""
        return [n.architecture.fingerprint for n in self._start]

    def network(self, i: int) -> Network:
        """Return a copy of sibling i after its latest step; every rank gets one."""
        return self._copy(i, self._live[i].last if i in self._live else self._start[i])

    def averaged(self, i: int) -> Network:
        """Return a copy of sibling i with averaged x and statistics, as validation uses it."""
        return self._copy(i, self._live[i].averaged if i in self._live else self._start[i])

    def _copy(self, i: int, network: Network) -> Network:
        g, *parts = network
        x, buffers, v = ({k: t.detach().clone() for k, t in part.items()} for part in parts)
        self._ranks.broadcast(tensors(Network(g, x, buffers, v)), self._owner[i])
        return Network(g, x, buffers, v)

    def state(self, i: int) -> Tensors:
        """Return copies, on the CPU, of all tensors of sibling i that the next step reads."""
        found = named("", self.network(i))
        if self._average > 1:
            found |= named("mean ", self.averaged(i)._replace(v={}))
        form = torch.contiguous_format
        return {name: t.cpu().clone(memory_format=form) for name, t in found.items()}

    def restore(self, states: Sequence[Tensors], steps: int | np.ndarray) -> None:
        """Put all siblings back to where they stood after an earlier step.

        Args:
            states: what `state` returned for each sibling.
            steps: how many steps all of them, or each of them, had made then.
        """
        self._made[:] = steps
        for i, sibling in self._live.items():
            sibling.restore(states[i])

    @property
    def seconds(self) -> Vector:
        """The seconds that each sibling has taken in all steps so far, (m,); 0 in a CUDA graph."""
        return self._seconds.copy()

    def step(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        only: np.ndarray | None = None,
    ) -> tuple[Vector, Vector]:
        """Train every sibling one step on its batch, then validate it on its batch.

        Args:
            train: one batch for all siblings, or one for each.
            validation: the same for validation; None for none.
            tau: the step size.
            only: the siblings that make the step, bool (m,); None for all. A CUDA graph makes the
                step of all siblings, so that it must not be used with this.

        Returns:
            Training losses and validation losses in nats, (m,) each; NaN without validation, and
            for siblings that rest, make no step, or whose memory ran out.
        """
        self.launch(train, validation, tau, only)
        return self.losses()

    def launch(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        only: np.ndarray | None = None,
    ) -> None:
        """Begin a step, and wait for none of a CUDA graph. The arguments are those of `step`."""
        assert only is None or not self.captured, "a CUDA graph makes the step of all siblings"
        idle = self._resting if only is None else self._resting | ~only
        self._made += ~idle
        rates = 1.0 / np.minimum(self._average, self._made + 1)
        mine = self._order()
        if self._captured is not None:
            rate = float(rates.min())  # that of all siblings that do not rest
            read = reader(self._captured.launch(train, validation, tau, rate))
        else:
            mine = [i for i in mine if not idle[i]]
            rows = self._local.step(mine, train, validation, tau, rates.tolist())
            read = partial(list, rows)  # nothing to wait for
        self._launched.append(Launched(mine, idle, only is None, read))

    def losses(self) -> tuple[Vector, Vector]:
        """Wait for the earliest step that was launched and not read; return what `step` returns."""
        step = self._launched.popleft()
        table = step.table(self._ranks)
        if self._made.max() >= heap.SETTLED:
            heap.keep()
        self._seconds += table[:, 2]
        short = self._short | (table[:, 3] > 0.0)
        self.starved, self._short = short, short & (not step.whole)
        table[step.idle] = float("nan")
        self._measured += step.whole
        if self._measured == MEASURED and step.whole and not self.captured:
            self._rebalance()
        return table[:, 0], table[:, 1]

    def evaluate(self, split: Split) -> list[Score]:
        """Evaluate every sibling on a whole split, at its averages where it has some.

        Args:
            split: the images and labels.

        Returns:
            One score for each sibling.
        """
        mine = self._mine()
        scores = self._local.score(mine, split)
        heap.keep()
        table = self._ranks.merge(dict(zip(mine, scores, strict=True)), len(self), 2)
        return [Score(float(loss), float(accuracy)) for loss, accuracy in table]

    def logits(self, split: Split) -> Tensor:
        """Return the logits (images, classes) of the first sibling on a split, on the CPU."""
        return self._local.logits(0, split)

    def rest(self, dropped: np.ndarray) -> None:
        """Let siblings train no more; their losses are NaN from now on.

        In a CUDA graph they still compute, but nothing uses the result.

        Args:
            dropped: the siblings that rest, bool (m,).
        """
        self._resting = dropped

    def finite(self) -> np.ndarray:
        """Tell for each sibling whether all tensors of its last weights are finite, bool (m,)."""
        sound: np.ndarray = self._ranks.merge(self._local.finite(), len(self), 1)[:, 0] > 0.0
        return sound

    def kinetic_energies(self) -> Vector:
        """Return |v|^2 / 2 of every sibling, (m,)."""
        return self._ranks.merge(self._local.kinetic_energies(), len(self), 1)[:, 0]

    def _born(self, i: int) -> Sibling:
        return Sibling(self._start[i], self._manner, self._gains[i] if self._gains else None)

    def _mine(self) -> list[int]:
        return [i for i, rank in enumerate(self._owner) if rank == self._ranks.rank]

    def _order(self) -> list[int]:
        """List the siblings of this rank, the most expensive first."""
        return sorted(self._mine(), key=lambda i: -self._costs[i])

    def _rebalance(self) -> None:
        """Order the siblings by the seconds that they took, and distribute them if that pays."""
        self._costs = self._seconds / self._measured
        costs = list(self._costs)
        owner = spread(costs, self._ranks.size)
        if longest(costs, owner) > WORTH * longest(costs, self._owner):
            return
        for i, (old, new) in enumerate(zip(self._owner, owner, strict=True)):
            if old != new:
                self._hand_over(i, old, new)
        self._owner = owner

    def _hand_over(self, i: int, old: int, new: int) -> None:
        if self._ranks.rank == new:
            self._live[i] = self._born(i)
        if self._ranks.rank in (old, new):
            self._ranks.move(self._live[i].tensors, old, new)
        if self._ranks.rank == old:
            del self._live[i]
