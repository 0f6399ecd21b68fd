"""`nasflow show PATH`: an experiment, a search, a round or a network, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from nasflow import shown
from nasflow.config_file import CHECKPOINT
from nasflow.image_facts import stem_of
from nasflow.show_network import network_lines
from nasflow.shown import Json
from nasflow.summary import ended
from nasflow.terminal import (
    Cell,
    count,
    drawn,
    loss,
    mega,
    percent,
    say,
    seconds,
    styled,
    table,
)

Lines = Iterator[RenderableType]
WON, OUT = "bold green", "red"


def show(*, path: Path, all: bool = False, json: bool = False) -> None:
    """Whatever stands at the path. ValueError where nothing does."""
    found = look(path)
    if json:
        print(as_json(found))
        return
    lines: dict[str, Callable[[], Lines]] = {
        "results": lambda: (line for one in found["experiments"] for line in experiment_lines(one)),
        "experiment": lambda: experiment_lines(found),
        "search": lambda: search_lines(found, all),
        "round": lambda: round_lines(found),
        "network": lambda: network_lines(found),
    }
    say(lines[found["kind"]]())


def look(path: Path) -> Json:
    """What a path is by what stands there."""
    if not path.exists() and not path.with_name(path.name + CHECKPOINT[0]).exists():
        raise ValueError(
            f"{path}: nothing there; expected a folder such as results/digits/nasgd/seed_0, or a "
            "network such as results/digits/nasgd/seed_0/final/network"
        )
    if path.is_dir():
        if (path / "results").is_dir():  # of an experiment that init made, or of a clone
            return look(path / "results")
        folder = path.parent if path.absolute().name == "search" else path
        if folder.absolute().name.startswith("seed_"):
            return shown.search(folder)
        if shown.searches(folder) or (folder / "data/data.json").is_file():
            return shown.experiment(folder)
        if folder.absolute().name.startswith("round_"):
            return shown.round_(folder)
        inside = [one for one in sorted(folder.iterdir()) if shown.searches(one)]
        if inside:
            return {"kind": "results", "experiments": [shown.experiment(one) for one in inside]}
    if path.is_file() and path.name.endswith(CHECKPOINT[0]):
        return shown.architecture(path, path.read_text(errors="replace"))
    return shown.network(stem_of(path))


def as_json(found: Json) -> str:
    """What was found, for programs; of a network its nodes."""

    def plain(value: Any) -> Any:
        return json.loads(value.to_json())["nodes"]

    renamed = {"nodes" if key == "g" else key: value for key, value in found.items()}
    return json.dumps(renamed, indent=1, default=plain)


def experiment_lines(found: Json) -> Lines:
    yield styled(Path(found["folder"]).absolute().name, "bold")
    if data := found["data"]:
        size = f"{data['height']} x {data['width']} x {data['channels']}"
        counts = [f"{sum(n):,} {part}" for part, n in data.get("counts", {}).items()]
        yield f"{len(data['classes'])} classes; images {size}: {', '.join(counts) or 'not counted'}"
    columns = ["algorithm", "seed", "state", " rounds", " moved", " parameters", " MFLOPs"]
    rows = [
        (
            *(one["algorithm"], str(one["seed"]), one["stage"]),
            *(str(one["rounds"]), str(one["recentred"])),
            *(count(one["parameters"]), mega(one["flops"]), percent(one["validation_accuracy"])),
            percent(one["metrics"] and one["metrics"]["test_error"], 2),
            seconds(one["metrics"] and one["metrics"]["seconds"]["total"]),
        )
        for one in found["searches"]
    ]
    yield table([*columns, " validation", " test error", " time"], rows)


def search_lines(found: Json, all: bool) -> Lines:
    """The path of the centre; with `all` every child of every round."""
    rounds, summary, metrics = found["rounds"], found["summary"], found["metrics"]
    moved = sum(one["winner"] != 0 for one in rounds)
    end = f"ended {ended(summary['reason'])}" if summary else "not ended"
    name = f"{found['experiment']} {found['algorithm']} seed {found['seed']}"
    made = f"{len(rounds)} round" + "s" * (len(rounds) != 1)
    yield styled(f"{name}: {made}, {moved} moved the centre; {end}", "bold")
    rows: list[tuple[Cell, ...]] = []
    if found["pretrain"]:
        rows.append(("g0", "pretrained", *_measures(found["pretrain"])))
    for one in rounds:
        last = one is rounds[-1] and not found["final"]
        rows.append((_branch(last) + f"round {one['round']}", *_round_cells(one)))
        rows += _child_rows(one, _rail(last)) if all else []
    if found["final"]:
        rows.append((_branch(True) + "final", "trained", *_measures(found["final"])))
    columns = ["", "moved by", " share", " steps", " parameters", " MFLOPs", " validation", " time"]
    yield table(columns, rows)
    if metrics:
        error = percent(metrics["test_error"], 2)
        yield f"test error {error} on {metrics['test_images']:,} images"


def round_lines(found: Json) -> Lines:
    """The nodes of a round, fullest first, and why it ended."""
    name = f"{found['algorithm']} seed {found['seed']} round {found['round']}"
    yield styled(f"{name}: {why(found)}, {seconds(found['seconds'])}", "bold")
    columns = ["node", "morphism", "site", " parameters", " MFLOPs", " share"]
    accurate = any(node["validation_accuracy"] is not None for node in found["nodes"])
    columns += [" loss", *([" validation"] if accurate else []), " output change", "fate"]
    rows = []
    for node in _fullest(found["nodes"]):
        fate = _fate(node, found)
        cells = [
            *(str(node["node"]), node["morphism"] or "- (parent)", node["site"]),
            *(count(node["parameters"]), mega(node["flops"])),
            *(percent(node["share"]), loss(node["validation_loss"])),
            *([percent(node["validation_accuracy"])] if accurate else []),
            *(f"{node['output_change']:.1e}", fate),
        ]
        style = WON if node["winner"] and node["node"] else OUT if node["died_at"] else ""
        rows.append([styled(cell, style) for cell in cells])
    yield table(columns, rows)
    yield (
        f"g after the round: {count(found['parameters'])} parameters, "
        f"{mega(found['flops'])} MFLOPs, validation {percent(found['validation_accuracy'])}, "
        f"loss {loss(found['validation_loss'])}"
    )


def why(found: Json) -> str:
    """Why a round ended, in words."""
    steps, winner = f"after {found['steps']} steps", found["winner"]
    words = {
        "recentred": f"child {winner} won {steps}",
        "max_steps": f"no child won; ended {steps}, search.max_steps",
        "kept": f"no child beat its parent {steps}",
        "budget": f"the budget ended {steps}",
        "exhausted": "no child is legal",
        "diverged": f"every network diverged {steps}",
        "parent_diverged": f"the parent diverged {steps}; child {winner} goes on",
    }
    return words.get(found["reason"], f"{found['reason']} {steps}")


def _round_cells(one: Json) -> tuple[Cell, ...]:
    won = one["nodes"][one["winner"]]
    moved = _moved(one) if one["winner"] else f"- ({one['reason']})"
    style = WON if one["winner"] else "dim"
    return styled(moved, style), percent(won["share"]), *_measures(one)[1:]


def _measures(record: Json) -> tuple[str, ...]:
    """share, steps, parameters, MFLOPs, validation, time of a stage's record."""
    return (
        *("", count(record["steps"]), count(record["parameters"]), mega(record["flops"])),
        *(percent(record["validation_accuracy"]), seconds(record["seconds"])),
    )


def _child_rows(one: Json, rail: str) -> list[tuple[Cell, ...]]:
    nodes = _fullest(one["nodes"])
    rows: list[tuple[Cell, ...]] = []
    for node in nodes:
        moved = _moved(node)
        style = WON if node["winner"] and node["node"] else OUT if node["died_at"] else "dim"
        sizes = (count(node["parameters"]), mega(node["flops"]))
        judged = (percent(node["validation_accuracy"]), "")
        name = rail + _branch(node is nodes[-1]) + str(node["node"])
        rows.append((name, styled(moved, style), percent(node["share"]), "", *sizes, *judged))
    return rows


def _moved(node: Json) -> str:
    """The morphism and where it was; of several their names alone."""
    if "+" in (node["morphism"] or ""):
        return str(node["morphism"])
    return f"{node['morphism'] or 'parent'} {node['site'] or ''}".strip()


def _fullest(nodes: list[Json]) -> list[Json]:
    return sorted(nodes, key=lambda n: (-(n["share"] or 0.0), n["validation_loss"] or 0.0))


def _fate(node: Json, found: Json) -> str:
    if node["died_at"] is not None:
        return f"died at step {node['died_at']}: {node['died_of']}"
    if node["winner"] and node["node"]:
        return "won"
    return "stays the centre" if node["winner"] else ""


def _branch(last: bool) -> str:
    if drawn():
        return "└─ " if last else "├─ "
    return "`- " if last else "|- "


def _rail(last: bool) -> str:
    return "   " if last else ("│  " if drawn() else "|  ")
