"""The text that a person reads when a search has ended: summary.txt."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

from nasflow.architecture.architecture import Architecture
from nasflow.data import inventory
from nasflow.deployment.figures import words
from nasflow.deployment.latency_words import latency_words
from nasflow.records.class_accuracy import worst
from nasflow.search.ends import SearchEnd

WIDTH, LABEL = 100, 15  # columns of a line, and of what stands before its text
INDENT = " " * (2 + LABEL)


def summary_text(
    metrics: dict[str, Any],
    search: dict[str, Any],
    data: dict[str, Any],
    g: Architecture,
    folder: Path,
    *,
    seen: bool = False,
) -> str:
    """Describe what the search found: the network, how it was found, how good it is, its files.

    Args:
        metrics: final/metrics.json.
        search: search/summary.json.
        data: data/data.json.
        g: the architecture that was found.
        folder: the folder of the final training.
        seen: whether the final training used the validation images, too.
    """
    lines = [
        f"nasflow: {metrics['algorithm']} finished ({folder.parent})",
        f"  architecture   {g.describe()}",
        *_verdict_lines(metrics),
        *_search_lines(metrics, search),
        *_network_lines(metrics, data, seen=seen),
        *_data_lines(data),
        *_run_lines(metrics["seconds"], folder),
    ]
    return "\n".join(lines) + "\n"


def ended(reason: str) -> str:
    """Say why a search ended; the text follows the word `ended`.

    Raises:
        ValueError: if there is no such reason.
    """
    known = {
        SearchEnd.CHILDREN: "because no child is legal",
        SearchEnd.PATIENCE: "because so many rounds in a row moved nothing (budget.patience)",
        SearchEnd.DIVERGED: "because every network of a round diverged: lower lambda_start",
        SearchEnd.NONE: "before it began: the base network alone",
    }
    return known.get(SearchEnd(reason), f"by budget.{reason}")


def _verdict_lines(metrics: dict[str, Any]) -> list[str]:
    return labelled("verdict", " ".join(metrics["verdict"]["text"]))


def labelled(label: str, text: str) -> list[str]:
    """Break a text into lines, of which the first one begins with a label."""
    return wrap(text, WIDTH, initial_indent=f"  {label:<{LABEL}}", subsequent_indent=INDENT)


def _search_lines(metrics: dict[str, Any], search: dict[str, Any]) -> list[str]:
    return [
        f"  rounds         {metrics['rounds']} ({metrics['recentred']} moved the centre), "
        f"{metrics['architectures']} children seen, ended {ended(search['reason'])}",
        "                 round  parameters       FLOPs  validation  moved by",
        *(_round_line(round) for round in search["lineage"]),
    ]


def _network_lines(metrics: dict[str, Any], data: dict[str, Any], *, seen: bool) -> list[str]:
    known = ", on images that the final training used" if seen else ""
    weighted = ", weighted by class (data.class_weights)" if "class_weights" in metrics else ""
    balanced = f"{metrics['balanced_accuracy']:.2%} balanced accuracy"
    uneven = data.get("balance", {}).get("ratio", 1.0) > inventory.UNEVEN
    return [
        f"  size           {metrics['parameters']:,} parameters, {metrics['flops']:,} FLOPs, "
        f"{metrics['conv_layers']} convolutions",
        *_deployment_lines(metrics),
        f"  validation     {metrics['validation_accuracy']:.2%} accuracy{weighted}{known}",
        f"  test           {metrics['test_accuracy']:.2%} accuracy, "
        f"{metrics['test_error']:.2%} error on {metrics['test_images']:,} images"
        + (f"; {balanced}" if uneven else ""),
        *_mirrored_lines(metrics),
        f"  classes        {balanced}, the mean over classes; least: {worst(metrics['classes'])}",
    ]


def _mirrored_lines(metrics: dict[str, Any]) -> list[str]:
    """Say how good the network is where it sees the mirror images of the test images, too."""
    accuracy = metrics.get("test_accuracy_mirrored")
    if accuracy is None:
        return []
    return labelled(
        "", f"{accuracy:.2%} accuracy with mirror images (nasflow predict --mirror; twice the time)"
    )


def _deployment_lines(metrics: dict[str, Any]) -> list[str]:
    """Say what the network takes where it is used, and which bounds of the board it breaks."""
    taken = words(metrics)
    lines = [f"  deployment     {taken}"] if taken else []
    if latency := latency_words(metrics):
        lines += labelled("latency", f"{latency}, for one image on one core")
    for broken in metrics.get("exceeded", ()):
        lines += labelled("! TOO LARGE", f"{broken}: it does not fit the board")
    return lines


def _data_lines(data: dict[str, Any]) -> list[str]:
    images, *more = inventory.lines(data)
    return [f"  data           {images}", *(f"                 {line}" for line in more)]


def _run_lines(seconds: dict[str, float], folder: Path) -> list[str]:
    return [
        f"  seconds        {seconds['pretrain']:.0f} pretraining, {seconds['search']:.0f} search, "
        f"{seconds['final']:.0f} final training",
        f"  files          {folder}/metrics.json and network.*",
    ]


def _round_line(row: dict[str, Any]) -> str:
    """Describe the network after a round, and the morphism (or the reason) that led to it."""
    return (
        f"                 {row['round']:>5}  {row['parameters']:>10,} {row['flops']:>11,}"
        f"  {row['validation_accuracy']:>10.2%}  {row['morphism'] or '- (' + row['reason'] + ')'}"
    )
