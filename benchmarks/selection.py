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
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.particles.average import Average
from nasflow.studies import simulation

if TYPE_CHECKING:
    from nasflow.training.batches import Split

DEFAULT = Search()
PAPER: dict[str, Any] = {"scaling": "paper", "warmup_steps": 0, "validation": "independent"}
AROUND_AUTO: dict[str, list[Any]] = {
    "confidence": [1.0, 1.5, 2.0, 3.0, 3.5, 4.0],
    "min_lead": [0.0, 0.01, 0.02],
    "mobility": [0.1, 0.25, 0.9],
    "warmup_steps": [0, 10, 20, 30, 100],
    "window": [25, 50, 200],
    "particles": [100, 100_000],
    "beta": [2.0, 3.0],
    "potential": ["log"],
    "graph": ["star"],
}
AROUND_PAPER: dict[str, list[Any]] = {
    "window": [1, 10, 25, 50, 200],
    "kappa": [10.0, 50.0],
    "beta": [2.0, 3.0],
    "particles": [100, 100_000],
    "warmup_steps": [30, 50],
}
FRICTIONS = [0.0, 0.5, 1.0, 2.0]
Rule = tuple[str, Search, Algorithm]


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


def stop_rules(base: str) -> Iterator[Rule]:
    """List (name, section `search`, algorithm): a stop rule, and variants with one changed option.

    Args:
        base: `auto`, the default rule, or `paper`, the rule of the paper.
    """
    options, around = {"auto": ({}, AROUND_AUTO), "paper": (PAPER, AROUND_PAPER)}[base]

    def changed(**changes: Any) -> Search:
        return parse(Search, options | changes, "search")

    yield base, changed(), Algorithm.NASGD
    for key, values in around.items():
        for value in values:
            shown = value if isinstance(value, str) else f"{value:g}"
            yield f"{base}, {key} {shown}", changed(**{key: value}), Algorithm.NASGD
    for friction in FRICTIONS:
        for confidence in [2.5, 4.0] if base == "auto" else [2.5]:
            name = f"{base}, nasagd, friction {friction:g}"
            name += f", confidence {confidence:g}" if base == "auto" else ""
            search = changed(second_order={"friction": friction}, confidence=confidence)
            yield name, search, Algorithm.NASAGD


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


def noise(folder: list[Path], window: int, burn_in: int) -> None:
    """Print how noisy the losses of recorded rounds are.

    A row has the standard deviation of the loss of g_r, and that of the paired differences between
    the children and g_r (quartiles over the children). Then come the correlation of a difference
    with that of the step before, and how far each child leads at the end.

    Args:
        folder: folders with particles.parquet somewhere below.
        window: the length of the average over losses with which the rounds were recorded.
        burn_in: the step at which that average began anew.
    """
    print("| round | steps | sd of V_0 | sd of V_i - V_0, quartiles | correlation | last leads |")
    print("| --- | ---: | ---: | --- | ---: | --- |")
    for path, V, _ in histories(folder):
        losses = unaveraged(V, window, burn_in)
        d = losses[:, 1:] - losses[:, :1]
        later = d[len(d) // 2 :]
        quartiles = " ".join(f"{q:.3f}" for q in np.quantile(later.std(0), [0.25, 0.5, 0.75]))
        moving = later[:, later.std(0) > 1e-6]
        steps = [float(np.corrcoef(c[:-1], c[1:])[0, 1]) for c in moving.T]
        leads = " ".join(f"{x:+.3f}" for x in V[-1, 0] - V[-1, 1:])
        where = "/".join(path.parts[-5:-1])
        print(
            f"| {where} | {len(V)} | {losses[:, 0].std():.3f} | {quartiles} "
            f"| {np.mean(steps):+.2f} | {leads} |"
        )


def histories(folders: list[Path]) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
    """Read all rounds below some folders, except those in which a child dropped out.

    A child that dropped out has no loss from that step on.

    Returns:
        For each round the path of its table, V (steps, m), and tau (steps,).
    """
    import pyarrow.parquet as pq

    for path in sorted(p for f in folders for p in f.rglob("search/*/particles.parquet")):
        table = pq.read_table(path, columns=["node", "validation_loss", "tau"]).to_pydict()
        V = np.array(table["validation_loss"], float).reshape(-1, 1 + max(table["node"]))
        if np.isfinite(V).all():
            yield path, V, np.array(table["tau"]).reshape(V.shape)[:, 0]


def unaveraged(V: np.ndarray, window: int, burn_in: int = 0) -> np.ndarray:
    """Undo the average: compute the losses, (steps, m), from which `Average` made V."""
    keep, before = 1.0 - 1.0 / window, np.zeros(V.shape[1])
    unit, losses = Average(1, window, burn_in), []
    for step, row in enumerate(V):
        if burn_in and step == burn_in:
            before = np.zeros(V.shape[1])
        unit.update(np.ones(1))
        total = row * unit._mass
        losses.append((total - keep * before) / (1.0 - keep))
        before = total
    return np.array(losses)


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
