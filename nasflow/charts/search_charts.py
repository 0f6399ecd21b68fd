"""The charts of a search and of its final training: accuracy over time, curves, confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from nasflow.charts.charts import PARENT, WINNER, Figure, Row, figure, on, rounded
from nasflow.printable import printable
from nasflow.records.curves import thinned
from nasflow.records.timeline import Look

STAGES = {"pretraining": PARENT, "search": WINNER, "final training": "#4c78a8"}
WRITTEN = 15  # a confusion matrix of at most so many classes has room for numbers
CELL = (4, 30)  # pixels of the side of a cell, at least and at most
SIDE = 400  # pixels of the side of a matrix, where CELL allows it


def accuracy(looks: Sequence[Look]) -> Figure:
    """Draw the validation accuracy over the seconds of the whole search.

    The seconds have a square-root scale, which gives the short rounds room beside the long final
    training.

    Args:
        looks: the measurements, from `timeline`.
    """
    rows = [look._asdict() | {"seconds": rounded(look.seconds)} for look in looks]
    base = on().encode(
        x=alt.X(
            "seconds:Q",
            title="seconds of work since the start (square-root scale)",
            scale=alt.Scale(type="sqrt", nice=False),
        ),
        y=_percent("accuracy:Q", "validation accuracy"),
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=1, color=PARENT)
    description = "Validation accuracy over the time of the search"
    return figure(alt.layer(line, _looks(base)), description, rows=rows)


def _looks(base: alt.Chart) -> alt.Chart:
    """One point for each measurement, coloured by stage; a diamond where the search moved."""
    colours = alt.Scale(domain=list(STAGES), range=list(STAGES.values()))
    points: alt.Chart = base.mark_point(filled=True, opacity=1).encode(
        color=alt.Color("stage:N", title="", scale=colours),
        shape=alt.Shape(
            "moved:N",
            scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]),
            legend=None,
        ),
        size=alt.condition("datum.moved", alt.value(150), alt.value(40)),
        tooltip=[
            alt.Tooltip("what:N", title="measured after"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("seconds:Q", format=".1f"),
        ],
    )
    return points


def together(best: Mapping[str, Sequence[Look]]) -> Figure:
    """Draw the best validation accuracy so far, with one line for each search.

    Args:
        best: the measurements of each search, by its name.
    """
    rows = []
    for name, looks in best.items():
        highest = np.maximum.accumulate([look.accuracy for look in looks]).tolist()
        rows += [
            {"search": name, "seconds": rounded(look.seconds), "accuracy": value}
            for look, value in zip(looks, highest, strict=True)
        ]
    chart = (
        on()
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("seconds:Q", title="seconds (square-root scale)", scale=alt.Scale(type="sqrt")),
            y=_percent("accuracy:Q", "best validation accuracy so far"),
            color=alt.Color("search:N", title="", sort=list(best)),
            tooltip=["search:N", "seconds:Q", alt.Tooltip("accuracy:Q", format=".2%")],
        )
    )
    return figure(chart, "Best validation accuracy so far of each search over time", rows=rows)


def loss_curves(history: pa.Table, most: int) -> Figure:
    """Draw training and validation loss over the epochs of a training.

    Args:
        history: history.parquet of the training.
        most: points of a line, at most.
    """
    names = {"train_loss": "training", "validation_loss": "validation"}
    rows = _long(history, names, most)
    base = on().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False)),
        y=alt.Y("value:Q", title="loss, nats", scale=alt.Scale(zero=False)),
        color=_two("training", "validation"),
        tooltip=["what:N", "epoch:Q", "value:Q"],
    )
    train = base.transform_filter(alt.datum.what == "training").mark_line(strokeWidth=1.3)
    seen = base.transform_filter(alt.datum.what == "validation").mark_line(point=True)
    return figure(alt.layer(train, seen), "Training and validation loss over the epochs", rows=rows)


def accuracy_curve(history: pa.Table, most: int) -> Figure:
    """Draw the validation accuracy over the epochs of a training.

    Args:
        history: history.parquet of the training.
        most: points of the line, at most.
    """
    rows = _long(history, {"validation_accuracy": "validation"}, most)
    chart = (
        on()
        .mark_line(point=True, color=STAGES["final training"])
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False)),
            y=_percent("value:Q", "validation accuracy"),
            tooltip=["epoch:Q", alt.Tooltip("value:Q", title="accuracy", format=".2%")],
        )
    )
    return figure(chart, "Validation accuracy over the epochs", rows=rows)


def confusion(labels: Sequence[int], predicted: Sequence[int], classes: Sequence[str]) -> Figure:
    """Draw how many images of each class (rows) are classified as which class (columns).

    Colour counts the errors; the diagonal, which holds the correct ones, is grey.

    Args:
        labels: the true class of each image, by number, (n,).
        predicted: the predicted class of each image, by number, (n,).
        classes: the names of the classes, by number.
    """
    count, names = len(classes), named(classes)
    table = Counter(zip(labels, predicted, strict=True))
    rows = [
        {"label": names[i], "predicted": names[j], "images": images, "right": i == j}
        for (i, j), images in sorted(table.items())
    ]
    most = max((images for (i, j), images in table.items() if i != j), default=0)
    cell = min(CELL[1], max(CELL[0], SIDE // count))
    chart = alt.layer(*_cells(names, most))
    words = "How many images of each class are classified as which class"
    return figure(chart, words, height=cell * count, rows=rows)


def _cells(names: Sequence[str], most: int) -> list[alt.Chart]:
    """Correct and wrong cells, and where there is room their numbers; `most` errors in a cell."""
    scale = alt.Scale(domain=list(names))
    base = on().encode(
        x=alt.X("predicted:N", title="classified as", scale=scale, axis=_axis(-60)),
        y=alt.Y("label:N", title="true class", scale=scale, axis=_axis(0)),
        tooltip=["label:N", "predicted:N", "images:Q"],
    )
    right, wrong = alt.datum.right == True, alt.datum.right == False  # noqa: E712
    layers = [
        base.transform_filter(right).mark_rect(color=PARENT, opacity=0.35),
        base.transform_filter(wrong).mark_rect().encode(color=_errors(most)),
    ]
    if len(names) <= WRITTEN:
        written = base.mark_text(fontSize=11).encode(text="images:Q")
        layers += [
            written.transform_filter(right),
            written.transform_filter(wrong).encode(color=_ink(most)),
        ]
    return layers


def named(classes: Sequence[str]) -> list[str]:
    """Return the class names; classes with the same name get their number behind it.

    A control character is written as an escape: it would end the program that draws the pictures.
    """
    names = [printable(name) for name in classes]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def _ink(most: int) -> Any:
    """White digits on the dark cells of the colour scheme `orangered`, brown on the others."""
    return alt.condition(
        f"datum.images > {0.55 * most:.1f}", alt.value("#ffffff"), alt.value("#4a2c12")
    )


def _errors(most: int) -> alt.Color:
    ticks = np.unique(np.linspace(1, max(most, 1), 4).round()).tolist()
    legend = alt.Legend(format="d", values=ticks)
    return alt.Color("images:Q", title="errors", scale=alt.Scale(scheme="orangered"), legend=legend)


def _percent(field: str, title: str) -> alt.Y:
    axis, scale = alt.Axis(format="%"), alt.Scale(zero=False)
    return alt.Y(field, title=title, axis=axis, scale=scale)


def _axis(angle: int) -> alt.Axis:
    return alt.Axis(labelAngle=angle, labelLimit=90, labelOverlap=True, ticks=False, domain=False)


def _two(first: str, second: str) -> alt.Color:
    colours = alt.Scale(domain=[first, second], range=[PARENT, STAGES["final training"]])
    return alt.Color("what:N", title="", scale=colours)


def _long(history: pa.Table, names: Mapping[str, str], most: int) -> list[Row]:
    rows: list[Row] = []
    for column, what in names.items():
        known = [row for row in history.to_pylist() if row[column] is not None]
        for i in thinned(len(known), most) if known else ():
            value = rounded(known[i][column])
            rows.append({"epoch": rounded(known[i]["epoch"]), "what": what, "value": value})
    return rows
