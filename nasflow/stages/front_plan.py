"""The stage that chooses the networks of a front: those of the search's path and of the pruning.

The candidates are the pretrained network and the winner of each round. Those that break a bound of
`search.constraints` are left out, except the found network, which is always on the plan. Where the
centre stayed for some rounds, its last weights are taken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.config.experiment import LENGTHS
from nasflow.config.search import Constraints
from nasflow.config.training import Final
from nasflow.search.front import shares, spread
from nasflow.search.neighbourhood import legal
from nasflow.search.status import size
from nasflow.stages.stage_inputs import section, sections_of
from nasflow.storage.files import read_json, write_json
from nasflow.storage.made import MADE, made
from nasflow.storage.manifest import paths, read_architecture

Json = dict[str, Any]
TOTALS = ("total_epochs", "total_seconds")  # lengths that pretraining, search and pruning share


class Candidate(NamedTuple):
    """A network that may be part of the front.

    Attributes:
        name: for people, such as `round 3`.
        stem: the stem of its checkpoint.
        g: its architecture.
    """

    name: str
    stem: Path
    g: Architecture


def select_front(
    *,
    config: str,
    pretrain: Path,
    search: Path,
    rounds: Sequence[Path],
    prune: Sequence[Path],
    out: Path,
) -> None:
    """Choose the networks that are trained to the end, and write what part of the time each gets.

    Different networks differ in FLOPs or in parameters. `nasflow.search.front` has the rules:
    `spread` says which networks are chosen, and `shares` how they share the time.

    Args:
        config: JSON of two sections: `final` with front, distillation and the length, and
            `constraints`.
        pretrain: status.json of the pretraining.
        search: summary.json of the search.
        rounds: folders of all rounds of the search in order.
        prune: folders of all prune rounds in order.
        out: plan.json to write, in the folder `front` of the search.
    """
    sections = sections_of(config)
    final = section(Final, sections, "final")
    candidates = list(_candidates(pretrain, rounds, prune))
    found = candidates[len(rounds)]
    different = _different(candidates, found, section(Constraints, sections, "constraints"))
    flops = [one.g.flops for one in different]
    least = min(range(len(different)), key=lambda i: different[i].g.parameters)
    chosen = [different[i] for i in spread(flops, different.index(found), final.front, least)]
    if len(chosen) < final.front:
        print(
            f"nasflow: final.front: {final.front}; search and pruning have {len(chosen)} different"
            " networks within search.constraints, and all of them are trained; more rounds"
            " (budget, prune.rounds) give more",
            file=sys.stderr,
        )
    length = next(name for name in LENGTHS if getattr(final, name) is not None)
    spent = {"spent": _spent(search, prune)} if length in TOTALS else {}
    inputs = [paths(one.stem)[-1] for one in candidates]
    plan = {
        "schema": 1,
        "networks": _rows(chosen, found, final, length, out.parents[1]),
        **spent,
        MADE: made("select_front", config, inputs),
    }
    write_json(out, plan)


def _candidates(
    pretrain: Path, rounds: Sequence[Path], prune: Sequence[Path]
) -> Iterator[Candidate]:
    """Yield the pretrained network and the winner of each round, in the order of time."""
    stems = {"pretrain": pretrain.with_name("network")}
    stems |= {f"round {n}": folder / "winner" for n, folder in enumerate(rounds, 1)}
    stems |= {f"prune {n}": folder / "winner" for n, folder in enumerate(prune, 1)}
    for name, stem in stems.items():
        yield Candidate(name, stem, read_architecture(stem))


def _different(
    candidates: Sequence[Candidate], found: Candidate, bounds: Constraints
) -> list[Candidate]:
    """Keep the last candidate of each architecture that keeps the bounds, and the found network.

    Architectures with the same FLOPs and the same number of parameters count as one, because a
    choice between them is none between costs.

    Returns:
        Different networks, from the smallest to the largest by FLOPs, then by parameters.
    """
    kept = {_costs(one): one for one in candidates if legal(one.g, bounds)}
    kept[_costs(found)] = found
    return sorted(kept.values(), key=_costs)


def _costs(one: Candidate) -> tuple[int, int]:
    return one.g.flops, one.g.parameters


def _rows(
    chosen: Sequence[Candidate], found: Candidate, final: Final, length: str, folder: Path
) -> list[Json]:
    """Return one row of plan.json for each network.

    With `distillation` the largest network is the teacher of the others, where there are others.
    """
    teaches = final.distillation > 0.0 and len(chosen) > 1
    parts = shares([one.g.flops for one in chosen], length, taught=teaches)
    return [
        {
            "index": index,
            "name": one.name,
            "source": one.stem.relative_to(folder).as_posix(),
            "found": one is found,
            "teacher": teaches and index == len(chosen),
            "share": share,
            **size(one.g),
        }
        for index, (one, share) in enumerate(zip(chosen, parts, strict=True), 1)
    ]


def _spent(search: Path, prune: Sequence[Path]) -> Json:
    """Return the epochs and the seconds that pretraining, search and prune rounds have taken."""
    spent = dict(read_json(search)["spent"])
    if prune:
        totals = read_json(prune[-1] / "status.json")["totals"]
        spent["epochs"] += totals["network_epochs"]
        spent["seconds"] += totals["seconds"]
    return spent
