"""What a person reads when a run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasflow.architecture import Architecture


def summary_text(
    metrics: dict[str, Any], search: dict[str, Any], g: Architecture, folder: Path
) -> str:
    """The architecture, how it was found, how good it is, where the files lie."""
    seconds = metrics["seconds"]
    steps = [f"{r['round']}: {r['morphism'] or '-'} ({r['reason']})" for r in search["lineage"]]
    lines = [
        f"nasflow: {metrics['algorithm']} finished ({folder.parent})",
        f"  architecture   {g.describe()}",
        f"  rounds         {metrics['rounds']} ({metrics['recentred']} moved the centre), "
        f"{metrics['architectures']} children seen, ended by budget.{search['reason']}",
        f"  path           {', '.join(steps)}",
        f"  size           {metrics['parameters']:,} parameters, {metrics['flops']:,} FLOPs, "
        f"{metrics['conv_layers']} convolutions",
        f"  validation     {metrics['validation_accuracy']:.2%} accuracy",
        f"  test           {metrics['test_accuracy']:.2%} accuracy, "
        f"{metrics['test_error']:.2%} error on {metrics['test_images']:,} images",
        f"  seconds        {seconds['pretrain']:.0f} pretraining, {seconds['search']:.0f} search, "
        f"{seconds['final']:.0f} final training",
        f"  files          {folder}/metrics.json and network.*",
        "  MLflow         nasflow ui, then open http://127.0.0.1:5000 and choose Model training",
    ]
    return "\n".join(lines) + "\n"
