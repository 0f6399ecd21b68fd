"""Optuna's samplers over the search space.

Each trial trains one network for a short time, from random weights. The network that is best on the
validation split goes on to the final training, with its weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import optuna

from benchmarks.peers.bench import Bench, Found, row, stretch
from benchmarks.peers.meter import Spent
from benchmarks.peers.space import Choice, choices, decode, space
from nasflow.network.network import Network, initialise
from nasflow.randomness import generator
from nasflow.search.rung import ranked
from nasflow.training.siblings import Score

RUNGS = (1, 2, 4)  # relative lengths of the cosines of a trial; a pruner looks between them


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
        state: `complete`, `pruned`, `diverged`, or `cut off` (by the end of the budget).
        network: the network of the trial.
        loss: its loss on the validation split, in nats, if it was measured.
        accuracy: its accuracy there, between 0 and 1, if it was measured.
    """

    state: str
    network: Network
    loss: float = float("nan")
    accuracy: float = float("nan")


def search(bench: Bench, sampler: str, encoding: str) -> Found:
    """Run trials until the budget is spent, and return the best network.

    Only complete trials can win. Optuna is told that diverged trials, and the one that is cut off,
    have failed.

    Args:
        bench: what the search is given.
        sampler: `tpe` or `random`.
        encoding: `moves` or `shape`.

    Raises:
        ValueError: if no trial was completed within the budget.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    within = space(bench.start, bench.experiment.search)
    vector = choices(within, encoding, bench.options.slots)
    study = _study(bench, sampler)
    best: Outcome | None = None
    lineage: list[dict[str, Any]] = []
    trials: list[dict[str, Any]] = []
    while bench.meter.left > 0.0:
        trial = study.ask()
        g = decode(within, encoding, {choice.name: _suggest(trial, choice) for choice in vector})
        outcome = _run(bench, trial, initialise(g, _draws(bench, trial)))
        trials.append(_record(trial.number, outcome))
        if outcome.state == "complete":
            study.tell(trial, outcome.accuracy)
            if best is None or _better(outcome, best):
                best = outcome
                made = f"trial {trial.number}"
                found = (outcome.network, made, outcome.loss, outcome.accuracy)
                lineage.append(row(len(lineage) + 1, *found))
        else:
            states = optuna.trial.TrialState
            pruned = outcome.state == "pruned"
            study.tell(trial, state=states.PRUNED if pruned else states.FAIL)
    if best is None:
        raise ValueError(
            f"--trial: {_length(bench):g} epochs; no trial ended with a finite loss within the "
            f"search's {bench.meter.limit.search:g} {bench.meter.limit.unit}; lower it"
        )
    return Found(best.network, trials, lineage)


def _draws(bench: Bench, trial: optuna.Trial) -> np.random.Generator:
    return generator("peer trial", bench.seed, trial.number)


def _record(number: int, outcome: Outcome) -> dict[str, Any]:
    found = (outcome.network, outcome.state, outcome.loss, outcome.accuracy)
    return row(number, *found) | {"fingerprint": outcome.network.architecture.fingerprint}


def _study(bench: Bench, sampler: str) -> optuna.Study:
    made: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=bench.seed)
    if sampler == "tpe":
        startup = bench.options.startup
        made = optuna.samplers.TPESampler(
            seed=bench.seed, multivariate=True, n_startup_trials=startup
        )
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if bench.options.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=3)
    return optuna.create_study(direction="maximize", sampler=made, pruner=pruner)


def _suggest(trial: optuna.Trial, choice: Choice) -> Any:
    if choice.options:
        return trial.suggest_categorical(choice.name, choice.options)
    return trial.suggest_float(choice.name, 0.0, 1.0 - 1e-9)


def _run(bench: Bench, trial: optuna.Trial, network: Network) -> Outcome:
    """Train the network of a trial along one cosine of tau, or along several if there is a pruner.

    Each cosine is twice as long as the one before. The pruner looks at the ends of the cosines,
    where tau is low.
    """
    rungs = RUNGS if bench.options.pruner != "none" else (1,)
    loss = accuracy = float("nan")
    for number, length in enumerate(rungs, 1):
        epochs = _length(bench) * length / sum(rungs)
        purpose = f"peer trial {number}"
        try:
            network, loss, accuracy = stretch(bench, network, epochs, purpose, bench.meter.hold)
        except Spent:
            return Outcome("cut off", network)
        except ValueError:  # the loss is not finite
            return Outcome("diverged", network)
        trial.report(accuracy, number)
        if number < len(rungs) and trial.should_prune():
            return Outcome("pruned", network, loss, accuracy)
    return Outcome("complete", network, loss, accuracy)


def _length(bench: Bench) -> float:
    return bench.experiment.pretrain.epochs if bench.options.trial is None else bench.options.trial


def _better(a: Outcome, b: Outcome) -> bool:
    """Compare by accuracy, and by loss where accuracies are equal, as our baselines do."""
    return ranked({0: Score(b.loss, b.accuracy), 1: Score(a.loss, a.accuracy)})[0] == 1
