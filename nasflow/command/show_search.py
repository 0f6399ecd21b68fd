"""A search as lines, one for each network that was the centre; and a round, one for each child."""

from __future__ import annotations

from collections.abc import Sequence

from nasflow.command.terminal import (
    Cell,
    Lines,
    count,
    drawn,
    loss,
    mega,
    milliseconds,
    percent,
    seconds,
    styled,
    table,
)
from nasflow.deployment.figures import words
from nasflow.deployment.latency_words import latency_words
from nasflow.records.summaries import Json
from nasflow.records.summary import ended
from nasflow.search.ends import RoundEnd

WON, OUT = "bold green", "red"


def search_lines(found: Json, all: bool) -> Lines:
    """A search: one row for each round, which says what became the centre.

    Args:
        found: the facts about the search.
        all: whether every child of every round has a row too.
    """
    rounds, summary, metrics = found["rounds"], found["summary"], found["metrics"]
    moved = sum(one["winner"] != 0 for one in rounds)
    end = f"ended {ended(summary['reason'])}" if summary else "not ended"
    name = f"{found['experiment']} {found['algorithm']} seed {found['seed']}"
    made = f"{len(rounds)} round" + "s" * (len(rounds) != 1)
    yield styled(f"{name}: {made}, {moved} moved the centre; {end}", "bold")
    rows: list[tuple[Cell, ...]] = []
    if found["pretrain"]:
        rows.append(("g0", "pretrained", *_measures(found["pretrain"])))
    named = [*(("round", one) for one in rounds), *(("prune", one) for one in found["pruned"])]
    for kind, one in named:
        last = one is named[-1][1] and not found["final"]
        rows.append((_branch(last) + f"{kind} {one['round']}", *_round_cells(one)))
        rows += _child_rows(one, _rail(last)) if all else []
    if found["final"]:
        rows.append((_branch(True) + "final", "trained", *_measures(found["final"])))
    columns = ["", "moved by", " share", " steps", " parameters", " MFLOPs", " validation", " time"]
    yield table(columns, rows)
    if metrics:
        error = percent(metrics["test_error"], 2)
        yield f"test error {error} on {metrics['test_images']:,} images"
        if taken := words(metrics):
            yield taken
        if latency := latency_words(metrics):
            yield f"latency for one image on one core: {latency}"
        yield from (styled(line, OUT) for line in metrics.get("exceeded", ()))
    if found["front"]:
        yield ""
        yield from front_lines(found["front"])


def front_lines(rows: Sequence[Json]) -> Lines:
    """The networks that were trained to the end, from the smallest to the largest.

    Args:
        rows: the facts about each network.
    """
    networks = f"{len(rows)} network{'s' * (len(rows) != 1)}"
    yield styled(f"front: {networks} (`nasflow pick` chooses one)", "bold")
    columns = ["network", " parameters", " MFLOPs", " flash int8", " RAM int8", " latency int8"]
    cells = [
        (
            *(row["name"] + " (found)" * row["found"], count(row["parameters"])),
            *(mega(row["flops"]), count(row["flash_int8"]), count(row["ram_int8"])),
            *(milliseconds(row["latency_int8"]), percent(row["validation_accuracy"])),
            *(percent(row["test_accuracy"]), percent(row["test_accuracy_int8"])),
        )
        for row in rows
    ]
    yield table([*columns, " validation", " test", " test int8"], cells)


def round_lines(found: Json) -> Lines:
    """A round: why it ended, and one row for each node, the largest share first."""
    kind = "prune round" if found["stage"] == "prune_round" else "round"
    name = f"{found['algorithm']} seed {found['seed']} {kind} {found['round']}"
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
    if taken := words(found):
        yield taken


def why(found: Json) -> str:
    """Say in words why a round ended."""
    steps, winner = f"after {found['steps']} steps", found["winner"]
    words = {
        RoundEnd.RECENTRED: f"child {winner} won {steps}",
        RoundEnd.MAX_STEPS: f"no child won; ended {steps}, search.max_steps",
        RoundEnd.KEPT: f"no child beat its parent {steps}",
        RoundEnd.BUDGET: f"the budget ended {steps}",
        RoundEnd.EXHAUSTED: "no child is legal",
        RoundEnd.DIVERGED: f"every network diverged {steps}",
        RoundEnd.PARENT_DIVERGED: f"the parent diverged {steps}; child {winner} goes on",
    }
    return words[RoundEnd(found["reason"])]


def _round_cells(one: Json) -> tuple[Cell, ...]:
    won = one["nodes"][one["winner"]]
    moved = _moved(one) if one["winner"] else f"- ({one['reason']})"
    style = WON if one["winner"] else "dim"
    return styled(moved, style), percent(won["share"]), *_measures(one)[1:]


def _measures(record: Json) -> tuple[str, ...]:
    """Share, steps, parameters, MFLOPs, validation accuracy and time of a stage's record."""
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
        measured = (percent(node["validation_accuracy"]), "")
        name = rail + _branch(node is nodes[-1]) + str(node["node"])
        rows.append((name, styled(moved, style), percent(node["share"]), "", *sizes, *measured))
    return rows


def _moved(node: Json) -> str:
    """The morphism and its place in the network; where there are several, their names alone."""
    if "+" in (node["morphism"] or ""):
        return str(node["morphism"])
    return f"{node['morphism'] or 'parent'} {node['site'] or ''}".strip()


def _fullest(nodes: list[Json]) -> list[Json]:
    return sorted(nodes, key=lambda n: (-(n["share"] or 0.0), n["validation_loss"] or 0.0))


def _fate(node: Json, found: Json) -> str:
    if node["died_at"] is not None:
        if node["died_of"] == "behind":
            return f"fell behind; stopped at step {node['died_at']}"
        return f"dropped out at step {node['died_at']}: {node['died_of']}"
    if node["winner"] and node["node"]:
        return "won"
    return "stays the centre" if node["winner"] else ""


def _branch(last: bool) -> str:
    if drawn():
        return "└─ " if last else "├─ "
    return "`- " if last else "|- "


def _rail(last: bool) -> str:
    return "   " if last else ("│  " if drawn() else "|  ")
