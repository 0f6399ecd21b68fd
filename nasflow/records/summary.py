"""What a person reads when a run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasflow.architecture.architecture import Architecture
from nasflow.data import inventory
from nasflow.records.class_accuracy import worst


def summary_text(
    metrics: dict[str, Any],
    search: dict[str, Any],
    data: dict[str, Any],
    g: Architecture,
    folder: Path,
) -> str:
    """The architecture, how it was found, how good it is, where the files lie."""
    seconds, (images, *more) = metrics["seconds"], inventory.lines(data)
    lines = [
        f"nasflow: {metrics['algorithm']} finished ({folder.parent})",
        f"  architecture   {g.describe()}",
        f"  rounds         {metrics['rounds']} ({metrics['recentred']} moved the centre), "
        f"{metrics['architectures']} children seen, ended {ended(search['reason'])}",
        "                 round  parameters       FLOPs  validation  moved by",
        *(_round_line(round) for round in search["lineage"]),
        f"  size           {metrics['parameters']:,} parameters, {metrics['flops']:,} FLOPs, "
        f"{metrics['conv_layers']} convolutions",
        f"  validation     {metrics['validation_accuracy']:.2%} accuracy",
        f"  test           {metrics['test_accuracy']:.2%} accuracy, "
        f"{metrics['test_error']:.2%} error on {metrics['test_images']:,} images",
        f"  classes        {metrics['balanced_accuracy']:.2%} balanced accuracy, the mean over "
        f"classes; least: {worst(metrics['classes'])}",
        f"  data           {images}",
        *(f"                 {line}" for line in more),
        f"  seconds        {seconds['pretrain']:.0f} pretraining, {seconds['search']:.0f} search, "
        f"{seconds['final']:.0f} final training",
        f"  files          {folder}/metrics.json and network.*",
        "  MLflow         nasflow ui, then open http://127.0.0.1:5000 and choose Model training",
    ]
    return "\n".join(lines) + "\n"


def ended(reason: str) -> str:
    """Why a search ended, after the word `ended`."""
    known = {
        "children": "as no child is legal",
        "diverged": "as every network of a round diverged: lower lambda_start",
        "none": "before it began: the base net alone",
    }
    return known.get(reason, f"by budget.{reason}")


def _round_line(row: dict[str, Any]) -> str:
    """Accuracy against size along the path of the centre."""
    return (
        f"                 {row['round']:>5}  {row['parameters']:>10,} {row['flops']:>11,}"
        f"  {row['validation_accuracy']:>10.2%}  {row['morphism'] or '- (' + row['reason'] + ')'}"
    )
