"""How often a round picks the best child: the tables of docs/selection.md.

    python benchmarks/selection.py simulated --gap 0.05
    python benchmarks/selection.py noise results/cifar10_cpu
    python benchmarks/selection.py trials --data DATA --parent CHECKPOINT --out trials.jsonl
    python benchmarks/selection.py recorded trials.jsonl

A stop rule says when a round ends and with which child. The rule `auto` is the default of nasflow,
and `paper` is that of the paper. Losses and gaps are in nats. Batches are `paired` if all networks
of a round see the same images at a step, and `independent` otherwise.
"""

from __future__ import annotations

import argparse
import json
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from noise import noise
from stop_rules import stop_rules

from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.studies import simulation

if TYPE_CHECKING:
    from nasflow.training.batches import Split

DEFAULT = Search()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    simulated_parser = commands.add_parser("simulated", help="rounds in which one child is better")
    simulated_parser.set_defaults(run=simulated)
    simulated_parser.add_argument(
        "--gap", type=float, default=0.05, help="lead of that child, nats"
    )
    simulated_parser.add_argument(
        "--grow", type=float, default=0.0, help="steps until the gap is whole"
    )
    simulated_parser.add_argument("--rounds", type=int, default=400)
    simulated_parser.add_argument(
        "--memory", type=float, default=0.0, help="correlation of residuals"
    )
    simulated_parser.add_argument(
        "--only", default="*", help="pattern of rule and batches: 'auto* paired'"
    )
    noise_parser = commands.add_parser("noise", help="the noise of losses in recorded rounds")
    noise_parser.set_defaults(run=noise)
    noise_parser.add_argument(
        "folder", type=Path, nargs="+", help="folders with particles.parquet somewhere below"
    )
    noise_parser.add_argument("--window", type=int, default=DEFAULT.window)
    noise_parser.add_argument("--burn-in", type=int, default=DEFAULT.burn_in)
    _add_trials(commands)
    recorded_parser = commands.add_parser(
        "recorded", help="play stop rules on the losses of trials"
    )
    recorded_parser.set_defaults(run=recorded)
    recorded_parser.add_argument(
        "file", type=Path, nargs="+", help="files of trials, taken together"
    )
    arguments = vars(parser.parse_args())
    arguments.pop("run")(**{k: v for k, v in arguments.items() if k != "command"})


def _add_trials(commands: Any) -> None:
    trials_parser = commands.add_parser("trials", help="run rounds, then train all siblings longer")
    trials_parser.set_defaults(run=trials)
    trials_parser.add_argument(
        "--data", type=Path, required=True, help="the folder that the stage `prepare` wrote"
    )
    trials_parser.add_argument(
        "--parent", type=Path, nargs="+", required=True, help="checkpoints, without their endings"
    )
    trials_parser.add_argument(
        "--out", type=Path, required=True, help="file that JSON lines are appended to"
    )
    trials_parser.add_argument(
        "--search", type=json.loads, default={}, help="keys of the section search, as JSON"
    )
    trials_parser.add_argument(
        "--augment", type=json.loads, default={}, help="keys of the section augment, as JSON"
    )
    trials_parser.add_argument("--trials", type=int, default=10)
    trials_parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    trials_parser.add_argument(
        "--extra", type=int, default=200, help="steps of training after a round"
    )
    trials_parser.add_argument(
        "--tau", type=float, default=0.1, help="tau at the start of these steps"
    )
    trials_parser.add_argument("--seeds", type=int, default=3)
    trials_parser.add_argument(
        "--judge",
        type=float,
        default=0.67,
        help="fraction of the validation images that score at the end",
    )
    trials_parser.add_argument("--threads", type=int, default=1)


def simulated(gap: float, grow: float, rounds: int, memory: float, only: str) -> None:
    """Simulate rounds in which one child is better, and print how often each rule finds it.

    Beside each rule stands a limit that no rule exceeds.

    Args:
        gap: how much lower the loss of the better child is, in nats.
        grow: the steps after which the gap has its full size.
        rounds: the number of simulated rounds for each rule.
        memory: the correlation of the residuals of paired differences from step to step.
        only: a pattern for the names of rule and batches, such as `auto* paired`.
    """
    print(
        f"gap {gap:g} nats, whole after {grow:g} steps, residuals with memory {memory:g}, ", end=""
    )
    print(f"{rounds} rounds, chance 12.5 %\n")
    print("| rule | batches | rounds that end % | right % | steps (median) | limit there % |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    models = {
        "paired": simulation.paired(gap, grow=grow)._replace(memory=memory),
        "independent": simulation.independent(gap, grow=grow),
    }
    for base in ("paper", "auto"):
        for kind, model in models.items():
            for name, search, algorithm in stop_rules(base):
                if not fnmatch(f"{name} {kind}", only):
                    continue
                o = simulation.simulate(model, algorithm, search, rounds=rounds)
                most = f"{100 * simulation.limit(model, 8, int(o.steps)):.0f}" if o.ended else ""
                print(f"| {name} | {kind} | {_ends(o)} | {most} |", flush=True)
    print("\n| steps | limit, independent % | limit, paired % |\n| ---: | ---: | ---: |")
    for steps in (10, 20, 30, 50, 75, 100, 150, 200, 300):
        each = [100 * simulation.limit(models[k], 8, steps) for k in ("independent", "paired")]
        print(f"| {steps} | {each[0]:.0f} | {each[1]:.0f} |")
    print("\n| sequential test, right % | steps, independent | steps, paired |")
    print("| ---: | ---: | ---: |")
    for right in (0.5, 0.8, 0.9) if gap else ():
        mean = [
            simulation.sequential_limit(
                models[k], 8, right=right, rounds=rounds, longest=2000 if gap < 0.1 else 400
            )
            for k in ("independent", "paired")
        ]
        print(f"| {100 * right:.0f} | {mean[0]:.0f} | {mean[1]:.0f} |")


def trials(
    data: Path,
    parent: list[Path],
    out: Path,
    search: dict[str, Any],
    augment: dict[str, Any],
    trials: int,
    first: int,
    judge: float,
    threads: int,
    **how: Any,
) -> None:
    """Run trials: a round of full length, then all its siblings trained longer and scored.

    Trials are numbered from `first` on, and each starts from the next parent. The arguments are
    those of the command line; `how` holds `extra`, `tau` and `seeds`, which `selection.trial`
    takes.
    """
    from nasflow.config.data import Augment
    from nasflow.stages.progress import progress
    from nasflow.storage.checkpoint import read_checkpoint
    from nasflow.studies import selection

    train, seen, unseen = _images(data, judge)
    options, images = parse(Search, search, "search"), parse(Augment, augment, "augment")
    for number in range(first, first + trials):
        network, k, _ = read_checkpoint(parent[number % len(parent)])
        with progress(f"trial {number}") as show:
            done = selection.trial(
                network,
                k,
                train=train,
                validation=seen,
                judge=unseen,
                search=options,
                augment=images,
                number=number,
                workers=threads,
                progress=show,
                **how,
            )
        row = {name: np.asarray(value).tolist() for name, value in done._asdict().items()}
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _images(data: Path, judge: float) -> tuple[Split, Split, Split]:
    """The training images, the validation images of the rounds, and those that score at the end.

    The last ones are a fraction `judge` of all validation images, drawn at random.
    """
    from nasflow.randomness import generator
    from nasflow.storage.splits import read_split
    from nasflow.training.batches import Split

    train, whole = (read_split(data, name, "cpu") for name in ("train", "validation"))
    order = generator("judge").permutation(len(whole))
    cut = round(judge * len(whole))
    seen, unseen = (
        Split(whole.images[i], whole.labels[i], whole.mean, whole.std)
        for i in (order[cut:], order[:cut])
    )
    return train, seen, unseen


def recorded(file: list[Path]) -> None:
    """Play every stop rule on the recorded losses of the same trials, and print how well it chose.

    The last column says by how many nats the network that goes on is worse than under the rule
    `auto`, as the mean over trials of the paired difference.

    Args:
        file: files that `trials` wrote; all their trials count together.
    """
    from nasflow.studies import selection

    rows = [json.loads(line) for f in file for line in f.read_text().splitlines()]
    done = [
        selection.Trial(
            np.array(row["losses"]),
            np.array(row["tau"]),
            np.array(row["judged"]),
            row["morphisms"],
        )
        for row in rows
    ]
    right, near, rank, regret, gain = selection.chance(done)
    print(f"{len(done)} trials; one seed's best child is the others' in ", end="")
    print(f"{100 * selection.agreement(done):.0f} %; the best two are ", end="")
    lead = [np.diff(np.sort(t.judged.mean(0)[1:])[:2])[0] for t in done]
    means = [1 + np.argmin(t.losses.mean(0)[1:]) == selection.best(t) for t in done]
    print(
        f"{np.median(lead):.4f} nats apart (median); the lowest mean loss over all steps ", end=""
    )
    print(f"names the best in {100 * np.mean(means):.0f} %\n")
    print("| rule | rounds that end % | right % | steps | near % | rank | regret ", end="")
    print("| gain over g_r | behind auto |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| a child by chance | 100 | {100 * right:.0f} | | {100 * near:.0f} ", end="")
    print(f"| {rank:.1f} | {regret:.4f} | {gain:+.4f} | |")
    usual = selection.verdict(done, Algorithm.NASGD, DEFAULT).behind
    for base in ("auto", "paper"):
        for name, search, algorithm in stop_rules(base):
            v = selection.verdict(done, algorithm, search)
            more = v.behind - usual
            error = more.std(ddof=1) / len(more) ** 0.5
            line = f"{100 * v.near:.0f} | {v.rank:.1f} | {v.regret:.4f} | {v.gain:+.4f} |"
            print(
                f"| {name} | {_ends(v.outcome)} | {line if v.outcome.ended else '| | | |'} ", end=""
            )
            print(f"{more.mean():+.4f} ± {error:.4f} |", flush=True)


def _ends(o: simulation.Outcome) -> str:
    if not o.ended:
        return "0 | | "
    return f"{100 * o.ended:.0f} | {100 * o.right:.0f} ± {100 * o.error:.0f} | {o.steps:.0f}"


if __name__ == "__main__":
    main()
