"""The pictures of a finished stage for its mirror: charts and architectures.

MLflow's page `Model metrics` shows as cards, in sections by the part of their key before a slash,
what lies in the run's folder images/ under names that say key, step and time (MLflow's own, of
`log_image`): a PNG, and a WebP that the card shows.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasflow.architecture.architecture import Architecture
from nasflow.records import curves
from nasflow.storage.files import CorruptFile, read_json
from nasflow.tracking.source import Source

if TYPE_CHECKING:
    from nasflow.charts.charts import Figure

SHOWN = "mlflow.loggedImages"  # tag without which MLflow looks for no images
STEPS = 120  # of a chart of a round
WIDTH, HEIGHT = 400, 145  # points: a card is 1.6 times as wide as high, legend and axis in it
SCALE = 1.6  # pixels a point: a description shows what fits into 800
LEGEND = {"orient": "bottom", "columns": 3, "labelLimit": 110, "title": None}
CHARTS = {"shares": "particle shares", "loss": "validation loss", "energy": "total energy"}


def pictures(source: Source) -> dict[str, bytes]:
    """Key such as `charts/particle shares` -> PNG, in the order to look at them."""
    if source.round is not None:
        return _of_round(source.folder) | _of_network(source.folder / "winner", _before(source))
    if source.folder.name == "final":
        first = source.search / "pretrain" / "network"
        return _of_final(source) | _of_network(source.folder / "network", first)
    return _of_training(source.folder) | _of_network(source.folder / "network", None)


def diagrams(source: Source) -> dict[str, bytes]:
    """File name -> SVG of the network that the stage left."""
    stem = source.folder / ("network" if source.round is None else "winner")
    from nasflow.architecture.diagram import diagram

    return {"architecture.svg": diagram(_architecture(stem)).encode()}


def name_of(source: Source, key: str) -> str:
    """Path of a picture among the artifacts: the same whenever it is drawn."""
    end = curves.clock(source.status).at(source.status["steps"])
    unique = uuid.uuid5(uuid.NAMESPACE_URL, f"nasflow:{source.key}/{key}")
    return f"images/{key.replace('/', '~')}+step+0+timestamp+{end}+{unique}.png"


def files(source: Source, drawn: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path among the artifacts -> content."""
    from PIL import Image

    found: dict[str, bytes] = {}
    for key, png in drawn.items():
        name, small, whole = name_of(source, key), io.BytesIO(), Image.open(io.BytesIO(png))
        square = Image.new("RGB", (whole.width, max(whole.size)), "white")  # cards show its top
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
    return drawn


def _png(figure: Figure) -> bytes:
    """For a card, with its legend below; a matrix keeps its height."""
    import vl_convert

    from nasflow.charts import charts

    spec = _still(figure.whole)
    usual = spec["height"] == charts.HEIGHT
    size = {"width": WIDTH, "height": HEIGHT if usual else spec["height"]}
    more = {"config": {**spec.get("config", {}), "legend": LEGEND}}
    return bytes(vl_convert.vegalite_to_png({**spec, **size, **more}, scale=SCALE))


def _still(spec: dict[str, Any]) -> dict[str, Any]:
    """Without the unseen points that a page hovers over."""
    if "layer" not in spec:
        return spec
    seen = [layer for layer in spec["layer"] if layer["mark"].get("opacity") != 0]
    return {**spec, "layer": seen}


def _of_network(stem: Path, before: Path | None) -> dict[str, bytes]:
    """The architecture, what differs from that before it marked."""
    import vl_convert

    from nasflow.architecture.diagram import diagram

    there = before is not None and before.with_name(before.name + ".architecture.json").exists()
    parent = _architecture(before) if before is not None and there else None
    svg = diagram(_architecture(stem), parent)
    return {"charts/architecture": _on_white(bytes(vl_convert.svg_to_png(svg, scale=SCALE)))}


def _on_white(png: bytes) -> bytes:
    from PIL import Image

    picture, whole = Image.open(io.BytesIO(png)).convert("RGBA"), io.BytesIO()
    Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB").save(
        whole, "PNG"
    )
    return whole.getvalue()


def _before(source: Source) -> Path:
    """The network that a round started from."""
    assert source.round is not None
    number = source.round - 1
    name = f"search/round_{number}/winner" if number else "pretrain/network"
    return source.search / name


def _architecture(stem: Path) -> Architecture:
    path = stem.with_name(stem.name + ".architecture.json")
    try:
        return Architecture.from_json(path.read_text())
    except (OSError, ValueError) as error:
        raise CorruptFile(f"{path}: {error}; rerun the stage that writes it") from error
