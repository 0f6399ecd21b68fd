"""A search and its final training in pictures: accuracy over time, curves, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from nasflow.charts.charts import PARENT, WINNER, Figure, Row, figure, on, rounded
from nasflow.records.curves import thinned
from nasflow.records.timeline import Look

STAGES = {"pretraining": PARENT, "search": WINNER, "final training": "#4c78a8"}
WRITTEN = 15  # classes up to which a confusion matrix has room for numbers
CELL = (4, 30)  # pixels of a cell, at least and at most
SIDE = 400


def accuracy(looks: Sequence[Look]) -> Figure:
    """Validation accuracy over the seconds of the whole search, on a square-root scale, which gives
    the short rounds room beside the long final training."""
    rows = [look._asdict() | {"seconds": rounded(look.seconds)} for look in looks]
    base = on().encode(
        x=alt.X(
            "seconds:Q",
            title="seconds of work since the start (square-root scale)",
            scale=alt.Scale(type="sqrt", nice=False),
        ),
        y=alt.Y(
            "accuracy:Q",
            title="validation accuracy",
            axis=alt.Axis(format="%"),
            scale=alt.Scale(zero=False),
        ),
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=1, color=PARENT)
    colours = alt.Scale(domain=list(STAGES), range=list(STAGES.values()))
    points = base.mark_point(filled=True, opacity=1).encode(
        color=alt.Color("stage:N", title="", scale=colours),
        shape=alt.Shape(
            "moved:N",
            scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]),
            legend=None,
        ),
        size=alt.condition("datum.moved", alt.value(150), alt.value(40)),
        tooltip=[
            alt.Tooltip("what:N", title="look"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("seconds:Q", format=".1f"),
        ],
    )
    return figure(
        alt.layer(line, points), "Validation accuracy over the time of the search", rows=rows
    )


def together(best: Mapping[str, Sequence[Look]]) -> Figure:
    """The best validation accuracy so far of several searches, a line each."""
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
            y=alt.Y(
                "accuracy:Q",
                title="best validation accuracy so far",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(zero=False),
            ),
            color=alt.Color("search:N", title="", sort=list(best)),
            tooltip=["search:N", "seconds:Q", alt.Tooltip("accuracy:Q", format=".2%")],
        )
    )
    return figure(chart, "Best validation accuracy so far of each search over time", rows=rows)


def loss_curves(history: pa.Table, most: int) -> Figure:
    """Training and validation loss over the epochs of a training."""
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
    """Validation accuracy over the epochs of a training."""
    rows = _long(history, {"validation_accuracy": "validation"}, most)
    chart = (
        on()
        .mark_line(point=True, color=STAGES["final training"])
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False)),
            y=alt.Y(
                "value:Q",
                title="validation accuracy",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(zero=False),
            ),
            tooltip=["epoch:Q", alt.Tooltip("value:Q", title="accuracy", format=".2%")],
        )
    )
    return figure(chart, "Validation accuracy over the epochs", rows=rows)


def confusion(labels: Sequence[int], predicted: Sequence[int], classes: Sequence[str]) -> Figure:
    """How many images of a class (rows) were taken for which (columns). Colour counts the errors;
    the diagonal, what is right, is grey."""
    count = len(classes)
    table = np.zeros((count, count), dtype=np.int64)
    np.add.at(table, (np.asarray(labels, dtype=int), np.asarray(predicted, dtype=int)), 1)
    names = named(classes)
    rows = [
        {"label": names[i], "predicted": names[j], "images": int(table[i, j]), "right": i == j}
        for i in range(count)
        for j in range(count)
        if table[i, j]
    ]
    worst = int((table - np.diag(np.diag(table))).max())
    cell = min(CELL[1], max(CELL[0], SIDE // count))
    base = on().encode(
        x=alt.X("predicted:N", title="taken for", scale=alt.Scale(domain=names), axis=_axis(-60)),
        y=alt.Y("label:N", title="is", scale=alt.Scale(domain=names), axis=_axis(0)),
        tooltip=["label:N", "predicted:N", "images:Q"],
    )
    right, wrong = alt.datum.right == True, alt.datum.right == False  # noqa: E712
    layers = [
        base.transform_filter(right).mark_rect(color=PARENT, opacity=0.35),
        base.transform_filter(wrong).mark_rect().encode(color=_errors(worst)),
    ]
    if count <= WRITTEN:
        written = base.mark_text(fontSize=11).encode(text="images:Q")
        layers += [
            written.transform_filter(right),
            written.transform_filter(wrong).encode(color=_ink(worst)),
        ]
    words = "How many images of each class were taken for which"
    return figure(alt.layer(*layers), words, height=cell * count, rows=rows)


def named(classes: Sequence[str]) -> list[str]:
    """Class names, told apart by their number where two are the same."""
    return [
        name if list(classes).count(name) == 1 else f"{name} ({i})"
        for i, name in enumerate(classes)
    ]


def _ink(worst: int) -> Any:
    """White on the dark cells of `orangered`."""
    return alt.condition(
        f"datum.images > {0.55 * worst:.1f}", alt.value("#ffffff"), alt.value("#4a2c12")
    )


def _errors(worst: int) -> alt.Color:
    ticks = np.unique(np.linspace(1, max(worst, 1), 4).round()).tolist()
    legend = alt.Legend(format="d", values=ticks)
    return alt.Color("images:Q", title="errors", scale=alt.Scale(scheme="orangered"), legend=legend)


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
