"""One page that shows the searches of an experiment, made from their records alone.

The page needs no other file and no network. It does not contain the time at which it was made, so
the same records give bit for bit the same page. Results that do not exist yet are left out, and the
page says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from markupsafe import Markup

from nasflow.architecture.diagram import STYLE
from nasflow.architecture.difference import sentences
from nasflow.charts import search_charts
from nasflow.charts.charts import Figure
from nasflow.config.experiment import Experiment
from nasflow.config.files import DEFAULT
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.records import costs
from nasflow.records.intervals import Interval
from nasflow.records.rivals import Rival, compared, ended
from nasflow.records.story import Round, Story, searches, story
from nasflow.records.timeline import timeline
from nasflow.records.verdict import Verdict, verdict
from nasflow.report import mistakes
from nasflow.report.chapter import WORDS, Chapter, chapter, drawn
from nasflow.report.front import FrontChapter, front_chapter
from nasflow.report.parts import data_block, environment, gzipped, library, pack, source
from nasflow.report.trust import Claim, accuracy_interval, claims
from nasflow.storage.files import read_json
from nasflow.storage.splits import sizes
from nasflow.version import __version__

Json = Mapping[str, Any]
ROWS = 30_000  # rows of the charts of all rounds together, 2 MB
STEPS = (20, 150)  # steps in the charts of a round, at least and at most
DRAWN = 400  # up to so many networks of rounds each child gets a diagram, 2.5 MB
TRAINED = 200  # points of the curve of a training


Drawing = tuple[str, str, list[str], Markup]  # title, size, change and diagram


class Part(NamedTuple):
    """All that the sections of one search show.

    Attributes:
        story: the records of the search.
        claims: how far its results can be trusted.
        chapters: its rounds.
        pruned: its prune rounds.
        size_weight: what half the parameters are worth in them, nats; None where it is unknown.
        drawings: title, size, change and diagram of each network that the search stood on.
        costs: what each stage cost.
        total: what all stages cost together.
        verdict: what the search brought; None before its last round has ended.
        interval: the test accuracy with its interval; None before the evaluation.
        classes: the predictions on the test set, by class.
        pairs: the most frequent confusions.
        worst: the worst mistakes.
        thinned: True where the charts of a round leave out some steps.
        front: the networks from small to large; None where only the found one was trained.
    """

    story: Story
    claims: list[Claim]
    chapters: list[Chapter]
    pruned: list[Chapter]
    size_weight: float | None
    drawings: list[Drawing]
    costs: list[costs.Cost]
    total: costs.Cost
    verdict: Verdict | None
    interval: Interval | None
    classes: list[mistakes.ClassResult]
    pairs: list[mistakes.Pair]
    worst: list[mistakes.Mistake]
    thinned: bool
    front: FrontChapter | None


def page(results: Path, config: Json | None) -> str:
    """Make the page of results/{experiment}.

    Args:
        results: the folder of the experiment.
        config: the whole configuration of the experiment. Without it the page shows the searches
            that are in the folder, and leaves out what only the configuration tells.

    Returns:
        The page as HTML.

    Raises:
        ValueError: if the folder holds no results, or the configuration is not valid.
        CorruptFile: if a record is damaged.
    """
    experiment = parse(Experiment, config) if config is not None else None
    if not (results / "data/data.json").exists():
        raise ValueError(
            f"report: {results}; no results there, expected a folder such as results/digits"
        )
    if experiment is None:
        places = searches(results)
    else:
        places = [(a, seed) for a in experiment.algorithms for seed in experiment.seeds]
    stories = [story(results, *place) for place in places]
    return render(results, stories, experiment)


def render(results: Path, stories: Sequence[Story], experiment: Experiment | None) -> str:
    """Make the page of searches that have been read.

    Args:
        results: the folder of the experiment, for its data.
        stories: the records of the searches.
        experiment: the configuration; None where it is unknown.
    """
    facts = read_json(results / "data/data.json")
    figures: dict[str, Figure] = {}
    parts = [_part(s, stories, facts, results, experiment, figures) for s in stories]
    begun = {s.name: timeline(s) for s in stories if s.pretrain}
    if len(begun) > 1:
        figures["together"] = search_charts.together(begun)
    env, rivals = environment(), _rivals(stories)
    script = str(env.loader.get_source(env, "report.js")[0])  # type: ignore[union-attr]
    return env.get_template("report.html").render(
        name=experiment.experiment if experiment else results.name,
        version=__version__,
        facts=facts,
        machines=_machines(stories),
        sizes=sizes(results / "data"),
        parts=parts,
        fronts=any(part.front for part in parts),
        rivals=rivals,
        verdicts=_judged(parts, rivals),
        together="together" in figures,
        words=WORDS,
        style=Markup(STYLE),
        figures=gzipped(json.dumps(pack(figures), separators=(",", ":"), allow_nan=False)),
        trust=Markup(data_block({p.story.name: [c._asdict() for c in p.claims] for p in parts})),
        library=gzipped(library()),
        script=Markup(script),
        scripts=Markup(f"{source(library())} {source(script)}"),
        config=_yaml(plain(experiment)) if experiment else None,
        differs=_yaml(_differs(experiment)) if experiment else None,
    )


def _part(
    told: Story,
    others: Sequence[Story],
    facts: Json,
    results: Path,
    experiment: Experiment | None,
    figures: dict[str, Figure],
) -> Part:
    own = experiment.variant(told.algorithm) if experiment else None
    images = sizes(results / "data")["train"]
    nodes = sum(len(r.nodes) for s in others for r in (*s.rounds, *s.pruned))
    most = max(STEPS[0], min(STEPS[1], ROWS // max(1, nodes)))
    seen = (told.key, own, most, images, nodes <= DRAWN, figures)
    chapters = _chapters(told.rounds, *seen)
    pruning = own.model_copy(update={"search": own.prune.over(own.search)}) if own else None
    seen = (f"{told.key}-pruned", pruning, *seen[2:])
    _search_figures(told, facts, figures)
    spent = costs.costs(told, images)
    tested, classes = told.predictions, facts["classes"]
    return Part(
        told,
        claims(told, others, facts, own),
        chapters,
        _chapters(told.pruned, *seen),
        own.prune.size_weight if own else None,
        _drawings(told),
        spent,
        costs.total(spent),
        _verdict(told, results),
        accuracy_interval(told.metrics) if told.metrics else None,
        mistakes.by_class(tested, classes) if tested else [],
        mistakes.pairs(tested, classes) if tested else [],
        mistakes.worst(tested, classes, results / "data") if tested else [],
        any(len(set(r.particles["step"].to_pylist())) > most for r in told.rounds),
        front_chapter(told.front, told.key, figures),
    )


def _verdict(told: Story, results: Path) -> Verdict | None:
    if told.summary is None or told.pretrain is None:
        return None
    final = told.final.status if told.final else {}
    images = sizes(results / "data")["validation"]
    return verdict(told.summary, told.pretrain.status, final, images)


def _rivals(stories: Sequence[Story]) -> list[Rival]:
    done = ((s, s.metrics) for s in stories)
    return compared([ended(s.algorithm, s.seed, m, s.predictions) for s, m in done if m])


def _judged(parts: Sequence[Part], rivals: Sequence[Rival]) -> Markup:
    """Write the verdicts and the comparisons of searches as JSON, for programs."""
    own = {part.story.name: part.verdict.entry() for part in parts if part.verdict}
    return Markup(data_block({"searches": own, "rivals": [one.entry() for one in rivals]}))


def _chapters(
    rounds: Sequence[Round],
    key: str,
    config: Experiment | None,
    most: int,
    images: int,
    drawings: bool,
    figures: dict[str, Figure],
) -> list[Chapter]:
    """Make the chapters of rounds, and add their charts to `figures`."""
    chapters = []
    for found in rounds:
        own = f"{key}-{found.number}"
        made, pictures = chapter(
            found, own, config=config, most=most, images=images, drawings=drawings
        )
        chapters.append(made)
        figures.update(pictures)
    return chapters


def _search_figures(told: Story, facts: Json, figures: dict[str, Figure]) -> None:
    looks = timeline(told)
    if looks:
        figures[f"{told.key}-accuracy"] = search_charts.accuracy(looks)
    for name, found in (("pretrain", told.pretrain), ("final", told.final)):
        if found is not None and len(found.history):
            figures[f"{told.key}-{name}-loss"] = search_charts.loss_curves(found.history, TRAINED)
            curve = search_charts.accuracy_curve(found.history, TRAINED)
            figures[f"{told.key}-{name}-accuracy"] = curve
    if told.predictions is not None:
        label, predicted = (told.predictions[c].to_pylist() for c in ("label", "predicted"))
        chart = search_charts.confusion(label, predicted, facts["classes"])
        figures[f"{told.key}-confusion"] = chart


def _drawings(told: Story) -> list[Drawing]:
    """Draw the base network and each winner, compared with the network before it."""
    found: list[Drawing] = []
    before = None
    for title, graph in told.path:
        size = f"{graph.parameters:,} parameters"
        change: list[str] = sentences(graph, before) if before else []
        found.append((title, size, change, drawn(graph, before, title)))
        before = graph
    return found


def _machines(stories: Sequence[Story]) -> list[tuple[list[str], Json]]:
    """List each machine with the stages that ran on it; usually there is only one machine."""
    found: list[tuple[list[str], Json]] = []
    for told in stories:
        stages = [("pretraining", told.pretrain), *((f"round {r.number}", r) for r in told.rounds)]
        stages += [(f"prune round {r.number}", r) for r in told.pruned]
        for name, stage in (*stages, ("final training", told.final)):
            machine = stage.status.get("machine") if stage else None
            if machine is None:
                continue
            where = next((where for where, known in found if known == machine), None)
            if where is None:
                found.append((where := [], machine))
            where.append(f"{told.name}: {name}")
    return found


def _differs(experiment: Experiment) -> dict[str, Any]:
    """Keep the name and what differs from config/config.yaml, into which every configuration is
    merged; without that file keep everything."""

    def apart(found: Any, default: Any) -> Any:
        if not isinstance(found, Mapping) or not isinstance(default, Mapping):
            return found
        pairs = ((key, value, default.get(key)) for key, value in found.items())
        return {key: apart(value, was) for key, value, was in pairs if value != was}

    default = yaml.safe_load(DEFAULT.read_text()) if DEFAULT.exists() else {}
    name = {"experiment": experiment.experiment}
    return name | dict(apart(plain(experiment), default))


def _yaml(data: Any) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))
