"""What the pages of MLflow say in words: Markdown with links and pictures, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from nasflow.config.compare import algorithm_of
from nasflow.records.front import front
from nasflow.records.pareto import sentences
from nasflow.search.ends import RoundEnd
from nasflow.storage.files import read_json
from nasflow.tracking.pictures import name_of
from nasflow.tracking.source import Source, found_in

LATEST = 50  # rounds in a table
LONGEST = 8_000  # characters of a description, which is a tag: MLflow cuts longer ones
PICTURED = 6  # rounds that moved the centre whose picture is shown
PARTICLES = ("nasgd", "nasagd")  # algorithms whose rounds have particles, and a picture of them
EXPERIMENT = (
    "Neural architecture search by nasflow. **[The searches with their accuracies]({link})**: each "
    "row of the list is one search, an algorithm with one seed. The rows below it are the stages "
    "of the search: pretraining, rounds and final training. **To compare algorithms**: leave the "
    "rows closed and click the chart icon beside the list. It draws all searches together; look at "
    "`test_accuracy`, `parameters` and `effort/seconds_total`. **To compare rounds**: open a row, "
    "tick its rounds and click *Compare*."
)
REASONS = {
    RoundEnd.RECENTRED: "a child won",
    RoundEnd.MAX_STEPS: "no child led by enough within search.max_steps steps",
    RoundEnd.KEPT: "no child was better than its parent",
    RoundEnd.BUDGET: "the budget was used up",
    RoundEnd.EXHAUSTED: "no child was allowed",
    RoundEnd.DIVERGED: "all networks diverged",
    RoundEnd.PARENT_DIVERGED: "the centre diverged, and the best child went on",
}


def of_stage(source: Source, run: str, drawn: Sequence[str]) -> str:
    """Return the description of a stage's run, with its pictures.

    Args:
        source: the stage.
        run: the id of its run.
        drawn: the keys of its pictures, such as `charts/loss`, in the order to show them.
    """
    told = [_sentences(source), *(_front(source) if source.final else [])]
    return "\n\n".join([*told, *(_picture(source, run, key) for key in drawn)])


def _front(source: Source) -> list[str]:
    """Return the front of the search in words and as a table; nothing where there is none."""
    found = front(source.search)
    if found is None:
        return []
    rows = [
        f"| {one.name} | {one.parameters:,} | {_number(one.flash_int8)} | {_number(one.ram_int8)} "
        f"| {_number(one.latency_int8, '.3g')} | {one.validation_accuracy:.4f} "
        f"| {_number(one.test_accuracy, '.4f')} | {_number(one.test_accuracy_int8, '.4f')} |"
        for one in found.networks
    ]
    head = [
        "| network | parameters | flash int8, bytes | RAM int8, bytes | latency int8, ms "
        "| validation accuracy | test accuracy | test accuracy int8 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    said = "The front: networks from small to large, trained to the end. `front.csv` has all of it."
    return [f"{said} {' '.join(sentences(found))}", "\n".join([*head, *rows])]


def _number(value: float | None, form: str = ",") -> str:
    return "-" if value is None else format(value, form)


def of_search(search: Source, experiment: str, run: str, ids: Mapping[str, str]) -> str:
    """Return the description of a search's run.

    It has the outcome, links to the charts and the files, a table of the rounds with links to
    their runs, and a picture for each of the last rounds that moved the centre.

    Args:
        search: any stage of the search.
        experiment: MLflow's id of the experiment.
        run: the id of the search's run.
        ids: the id of each stage's run by the key of the stage.
    """
    stages = list(found_in(search.search, search.experiment, search.algorithm, search.seed))
    rounds = [stage for stage in stages if stage.round is not None]
    rows = [_row(stage, experiment, ids.get(stage.key)) for stage in rounds[-LATEST:]]
    own = f"#/experiments/{experiment}/runs/{run}"
    final = ids.get(f"{search.search_key}/final")
    links = [f"[Charts over rounds]({own}/model-metrics)", f"[report and files]({own}/artifacts)"]
    if final:
        trained = f"#/experiments/{experiment}/runs/{final}/model-metrics"
        links.insert(1, f"[charts of the final training]({trained})")
    head, pictures = _head(search.search, " · ".join(links)), _moves(rounds, ids)
    while rows and len("\n".join([*head, *rows, *pictures])) > LONGEST:
        rows = rows[1:]
    return "\n".join([*head, *rows, *pictures])


def _head(search: Path, links: str) -> list[str]:
    return [
        _outcome(search),
        "",
        links,
        "",
        "The curves go over rounds: 0 is the pre-trained network, r is the winner of round r, and "
        "the last number is the winner after its final training.",
        "",
        f"The table has the latest rounds, at most {LATEST}. The morphism is the edit that made "
        "the winner; `parent` says that no child won.",
        "",
        "| round | morphism | reason for its end | parameters | validation accuracy |",
        "|--:|---|---|--:|--:|",
    ]


def _moves(rounds: Sequence[Source], ids: Mapping[str, str]) -> list[str]:
    """Lines with a picture for each of the last rounds that moved the centre."""
    lines = []
    moved = [stage for stage in rounds if stage.status["winner"] and stage.key in ids]
    for stage in moved[-PICTURED:]:
        flowed = algorithm_of(stage.algorithm) in PARTICLES
        key = "charts/particle shares" if flowed else "charts/training loss"
        name = "Prune round" if stage.pruning else "Round"
        lines += ["", f"{name} {stage.round}, won by a child of `{stage.status['morphism']}`:", ""]
        lines.append(_picture(stage, ids[stage.key], key))
    return lines


def _sentences(source: Source) -> str:
    status = source.status
    accuracy = f"Its accuracy on the validation images is {status['validation_accuracy']:.4f}."
    if source.round is None:
        return (
            f"The network was trained for {status['steps']} steps. {accuracy} The curves go over "
            "steps."
        )
    reason = f"`{status['reason']}` ({REASONS[RoundEnd(status['reason'])]})"
    return (
        f"This round ended by {reason} after {status['steps']} steps. "
        f"{status['children']} children took part. {_winner(source)} {accuracy} The curves "
        "go over the steps of the round, one curve for each sibling. The name of a curve ends with "
        "the sibling's number and the morphism that made it; `parent`, number 0, is the network "
        "that the round started from."
    )


def _winner(source: Source) -> str:
    status = source.status
    what = "pruning" if source.pruning else "search"
    if not status["winner"]:
        return f"The {what} goes on with the parent."
    return f"The {what} goes on with child {status['winner']} (`{status['morphism']}`)."


def _outcome(search: Path) -> str:
    metrics = search / "final" / "metrics.json"
    if not metrics.exists():
        return "This search is not finished."
    found = read_json(metrics)
    return (
        f"**{found['test_accuracy']:.2%} test accuracy** with {found['parameters']:,} parameters. "
        f"A child became the new centre in {found['recentred']} of {found['rounds']} rounds. "
        f"{found['architectures']} children were trained. All stages together took "
        f"{found['seconds']['total']:,.0f} s. {' '.join(found.get('verdict', {}).get('text', []))}"
    ).rstrip()


def _row(stage: Source, experiment: str, run: str | None) -> str:
    status = stage.status
    name = f"prune {stage.round}" if stage.pruning else str(stage.round)
    link = f"[{name}](#/experiments/{experiment}/runs/{run})" if run else name
    return (
        f"| {link} | {status['morphism'] or 'parent'} | {status['reason']} "
        f"| {status['parameters']:,} | {status['validation_accuracy']:.4f} |"
    )


def _picture(source: Source, run: str, key: str) -> str:
    title, path = key.split("/")[-1], quote(name_of(source, key), safe="")
    return f"![{title}](get-artifact?path={path}&run_uuid={run})"
