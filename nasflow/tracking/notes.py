"""What the pages of MLflow say in words: Markdown with links and pictures, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from nasflow.storage.files import read_json
from nasflow.tracking.pictures import name_of
from nasflow.tracking.source import Source, found_in

LATEST = 50  # rounds in a table; MLflow's tags end at 8,000 characters
PICTURED = 6  # rounds whose shares are shown
EXPERIMENT = (
    "Neural architecture search by nasflow. A row is a search (algorithm and seed); the rows under "
    "it are its rounds and trainings. **Algorithms**: with the rows closed, the chart icon beside "
    "the list draws all searches together; see `test_accuracy`, `parameters`, "
    "`effort/seconds_total`. **Rounds**: open a row, tick its rounds, *Compare*."
)


def of_stage(source: Source, run: str, drawn: Sequence[str]) -> str:
    """The description of a stage's run, with its pictures."""
    return "\n\n".join([_sentence(source), *(_picture(source, run, key) for key in drawn)])


def of_search(search: Source, experiment: str, ids: Mapping[str, str]) -> str:
    """The description of a search: its story, its rounds with links to their runs, pictures of
    those that moved the centre. `ids`: key of a stage -> its run."""
    stages = list(found_in(search.search, search.experiment, search.algorithm, search.seed))
    rounds = [stage for stage in stages if stage.round is not None]
    lines = [
        _outcome(search.search),
        "Curves over rounds: 0 is the pre-trained network, r the winner of round r, the number "
        "after the last round the trained winner.",
        "",
        "| round | morphism | ended by | parameters | validation accuracy |",
        "|--:|---|---|--:|--:|",
        *(_row(stage, experiment, ids.get(stage.key)) for stage in rounds[-LATEST:]),
    ]
    moved = [stage for stage in rounds if stage.status["winner"] and stage.key in ids]
    for stage in moved[-PICTURED:]:
        lines += ["", f"Round {stage.round}: {stage.status['morphism']}", ""]
        lines.append(_picture(stage, ids[stage.key], "charts/particle shares"))
    return "\n".join(lines)


def _sentence(source: Source) -> str:
    status = source.status
    accuracy = f"validation accuracy {status['validation_accuracy']:.4f}"
    if source.round is None:
        return f"{status['steps']} steps, {accuracy}. Curves over steps."
    return (
        f"Ended by `{status['reason']}` after {status['steps']} steps among "
        f"{status['children']} children; node {status['winner']} "
        f"({status['morphism'] or 'parent'}) won, {accuracy}. Curves over the steps of the "
        "round, one per sibling: number of the node and its morphism; 0 is the parent."
    )


def _outcome(search: Path) -> str:
    metrics = search / "final" / "metrics.json"
    if not metrics.exists():
        return "Under way."
    found = read_json(metrics)
    return (
        f"**{found['test_accuracy']:.2%} test accuracy** with {found['parameters']:,} parameters; "
        f"{found['recentred']} of {found['rounds']} rounds moved the centre, "
        f"{found['architectures']} children seen, {found['seconds']['total']:,.0f} s in all."
    )


def _row(stage: Source, experiment: str, run: str | None) -> str:
    status = stage.status
    link = f"[{stage.round}](#/experiments/{experiment}/runs/{run})" if run else stage.round
    return (
        f"| {link} | {status['morphism'] or 'parent'} | {status['reason']} "
        f"| {status['parameters']:,} | {status['validation_accuracy']:.4f} |"
    )


def _picture(source: Source, run: str, key: str) -> str:
    title, path = key.split("/")[-1], quote(name_of(source, key), safe="")
    return f"![{title}](get-artifact?path={path}&run_uuid={run})"
