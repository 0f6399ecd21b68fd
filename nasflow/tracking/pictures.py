"""The pictures of a finished stage for its mirror: charts and architectures.

MLflow's page `Model metrics` shows the pictures that lie in the run's folder images/ as cards. The
part of a picture's key before the slash is the section of its card. The name of a file holds the
key, the step and the time; this form is MLflow's own, of its function `log_image`. Each picture
lies there twice: as a PNG, and as a smaller WebP that the card shows.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasflow.records import curves
from nasflow.storage.files import read_json
from nasflow.storage.manifest import read_architecture
from nasflow.tracking.source import Source

if TYPE_CHECKING:
    from nasflow.charts.charts import Figure
    from nasflow.records.front import Front

SHOWN = "mlflow.loggedImages"  # without this tag MLflow looks for no images
STEPS = 120  # steps that a chart shows
WIDTH, HEIGHT = 400, 145  # points; a card, with legend and axis, is 1.6 times as wide as high
SCALE = 1.6  # pixels per point; a description shows pictures up to 800 pixels wide
LEGEND = {"orient": "bottom", "columns": 3, "labelLimit": 110, "title": None}
CHARTS = {"shares": "particle shares", "loss": "validation loss", "energy": "total energy"}


def pictures(source: Source) -> dict[str, bytes]:
    """Draw the pictures of a stage.

    Returns:
        The PNG of each picture by its key, such as `charts/particle shares`, in the order to show
        them.
    """
    if source.round is not None:
        return _of_round(source.folder) | _of_network(source.folder / "winner", _before(source))
    if source.final:
        first = source.search / "pretrain" / "network"
        return _of_final(source) | _of_network(source.folder / "network", first)
    return _of_training(source.folder) | _of_network(source.folder / "network", None)


def diagrams(source: Source) -> dict[str, bytes]:
    """Draw the network that the stage left, as SVG by its file name."""
    from nasflow.architecture.diagram import diagram

    stem = source.folder / ("network" if source.round is None else "winner")
    return {"architecture.svg": diagram(read_architecture(stem)).encode()}


def name_of(source: Source, key: str) -> str:
    """Return a picture's path among the artifacts; it is the same whenever it is drawn."""
    end = curves.stage_time(source.status).at(source.status["steps"])
    unique = uuid.uuid5(uuid.NAMESPACE_URL, f"nasflow:{source.key}/{key}")
    return f"images/{key.replace('/', '~')}+step+0+timestamp+{end}+{unique}.png"


def files(source: Source, drawn: Mapping[str, bytes]) -> dict[str, bytes]:
    """Make the files of pictures.

    Args:
        source: the stage.
        drawn: the PNG of each picture by its key, as `pictures` returns them.

    Returns:
        The content of each file by its path among the artifacts: a PNG and a WebP per picture.
    """
    from PIL import Image

    found: dict[str, bytes] = {}
    for key, png in drawn.items():
        name, small, whole = name_of(source, key), io.BytesIO(), Image.open(io.BytesIO(png))
        square = Image.new("RGB", (whole.width, max(whole.size)), "white")  # a card shows the top
        square.paste(whole)
        square.save(small, "WEBP", quality=85)
        found |= {name: png, name.removesuffix(".png") + "+compressed.webp": small.getvalue()}
    return found


def _of_round(folder: Path) -> dict[str, bytes]:
    from nasflow.charts import round_charts
    from nasflow.charts.round_curves import round_curves

    status = read_json(folder / "status.json")
    particles = curves.table(folder, status, "particles.parquet")
    names = curves.sibling_names(curves.table(folder, status, "architectures.parquet"))
    found = round_curves(particles, list(names.values()), status["winner"], STEPS)
    figures = round_charts.figures(found)
    return {
        f"charts/{title}": _png(figures[name])
        for name, title in (CHARTS | {"training": "training loss"}).items()
        if name in figures
    }


def _of_training(folder: Path) -> dict[str, bytes]:
    from nasflow.charts import search_charts

    status = read_json(folder / "status.json")
    history = curves.table(folder, status, "history.parquet")
    return {
        "charts/loss": _png(search_charts.loss_curves(history, STEPS)),
        "charts/accuracy": _png(search_charts.accuracy_curve(history, STEPS)),
    }


def _of_final(source: Source) -> dict[str, bytes]:
    from nasflow.charts import search_charts
    from nasflow.records.story import story
    from nasflow.records.timeline import timeline

    found = story(source.results / source.experiment, source.algorithm, source.seed)
    drawn = _of_training(source.folder)
    looks = search_charts.accuracy(timeline(found))
    drawn["charts/accuracy of the whole search"] = _png(looks)
    if found.predictions is not None and found.metrics is not None:
        labels, predicted = (found.predictions[c].to_pylist() for c in ("label", "predicted"))
        classes = [row["name"] for row in found.metrics["classes"]]
        matrix = search_charts.confusion(labels, predicted, classes)
        drawn["charts/confusion"] = _png(matrix)
    return drawn | _of_front(found.front)


def _of_front(found: Front | None) -> dict[str, bytes]:
    from nasflow.charts import front_charts

    charts = front_charts.figures(found.networks) if found else {}
    return {f"charts/accuracy against {cost}": _png(chart) for cost, chart in charts.items()}


def _png(figure: Figure) -> bytes:
    """Draw a figure for a card, with its legend below; a confusion matrix keeps its height."""
    import vl_convert

    from nasflow.charts import charts

    spec = _still(figure.whole)
    usual = spec["height"] == charts.HEIGHT
    size = {"width": WIDTH, "height": HEIGHT if usual else spec["height"]}
    more = {"config": {**spec.get("config", {}), "legend": LEGEND}}
    return bytes(vl_convert.vegalite_to_png({**spec, **size, **more}, scale=SCALE))


def _still(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out the invisible points that carry the tooltips of a page."""
    if "layer" not in spec:
        return spec
    seen = [layer for layer in spec["layer"] if layer["mark"].get("opacity") != 0]
    return {**spec, "layer": seen}


def _of_network(stem: Path, before: Path | None) -> dict[str, bytes]:
    """Draw the architecture, and mark in it what differs from the one before."""
    import vl_convert

    from nasflow.architecture.diagram import diagram

    there = before is not None and before.with_name(before.name + ".architecture.json").exists()
    parent = read_architecture(before) if before is not None and there else None
    svg = diagram(read_architecture(stem), parent)
    return {"charts/architecture": _on_white(bytes(vl_convert.svg_to_png(svg, scale=SCALE)))}


def _on_white(png: bytes) -> bytes:
    from PIL import Image

    picture, whole = Image.open(io.BytesIO(png)).convert("RGBA"), io.BytesIO()
    Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB").save(
        whole, "PNG"
    )
    return whole.getvalue()


def _before(source: Source) -> Path:
    """Return the stem of the network that a round started from."""
    assert source.round is not None
    number, first = source.round - 1, "search/winner" if source.pruning else "pretrain/network"
    name = f"{source.folder.parent.name}/round_{number}/winner" if number else first
    return source.search / name
