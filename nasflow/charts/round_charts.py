"""The charts of one round: where the particles are, and what moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from nasflow.charts.charts import PARENT, Figure, child_colour, faded, figure, focus, on
from nasflow.charts.round_curves import RoundCurves

STEP = alt.X(
    "step:Q",
    title="step of the round",
    axis=alt.Axis(tickMinStep=1, grid=False),
    scale=alt.Scale(nice=False),
)

CLIP = 0.97  # quantile of the values up to which the range of a chart reaches


def figures(found: RoundCurves) -> dict[str, Figure]:
    """Draw the charts for which the round has data, by name, in the order in which to read them."""
    if not found.rows:
        return {}
    if not found.flowed:
        return {"training": training(found)}
    second = any(row["phi"] for row in found.rows)
    free = any(row["free_energy"] is not None for row in found.steps)
    return {
        "shares": shares(found),
        "lead": leads(found),
        "loss": losses(found),
        "energy": energies(found),
        **({"phi": potentials(found)} if second else {}),
        **({"free_energy": free_energy(found)} if free else {}),
        "step_size": step_size(found),
        "weight": weight(found),
    }


def shares(found: RoundCurves) -> Figure:
    """Draw the share of the particles on each network as stacked areas."""
    share = alt.Y(
        "share:Q", stack="zero", title="share of the particles", axis=alt.Axis(format="%")
    )
    chart = (
        on()
        .mark_area()
        .encode(
            x=STEP,
            y=share.scale(domain=[0, 1]),
            color=child_colour(found.colours),
            order=alt.Order("node:Q"),
            opacity=faded(0.9),
            tooltip=_tips("share:Q", "share", ".1%"),
        )
        .add_params(focus())
    )
    return figure(chart, "Share of the particles on each network by step", rows=found.rows)


def leads(found: RoundCurves) -> Figure:
    """Draw the running validation loss of each child minus the parent's: below zero it is better.

    The band is one standard error of that difference, for the network `found.leader`."""
    bounds = [row["lead"] for row in found.contenders]
    band = (
        on()
        .transform_filter(alt.datum.child == found.leader)
        .transform_calculate(low="datum.lead - datum.error", high="datum.lead + datum.error")
        .mark_area(clip=True, opacity=0.2)
        .encode(x=STEP, y=alt.Y("low:Q", title=""), y2="high:Q", color=child_colour(found.colours))
    )
    lines = _lines(found, "lead", "loss minus the parent's, nats", _domain(bounds, also=0.0))
    zero = on("zero").mark_rule(strokeDash=[4, 3], color=PARENT).encode(y="zero:Q")
    chart = alt.layer(zero, band, lines).add_params(focus())
    words = "Running validation loss of each child minus that of the parent by step"
    return figure(chart, words, rows=found.rows, zero=[{"zero": 0}])


def losses(found: RoundCurves) -> Figure:
    """Draw the running validation loss V~ of each network."""
    return _of_children(found, "loss", "running validation loss, nats")


def energies(found: RoundCurves) -> Figure:
    """Draw the energy E = w U'(f) + V~ of each network: particles move to lower energy."""
    return _of_children(found, "energy", "energy E, nats")


def potentials(found: RoundCurves) -> Figure:
    """Draw phi of NASAGD of each network: particles move to larger phi."""
    return _of_children(found, "phi", "momentum φ")


def training(found: RoundCurves) -> Figure:
    """Draw the training loss of each network of a baseline, which has no particles."""
    return _of_children(found, "training", "training loss, nats")


def free_energy(found: RoundCurves) -> Figure:
    """Draw F = w sum U(f) + sum f V~, and its second part, the mean loss."""
    lines = {"free energy F": "free_energy", "mean loss Σ f Ṽ": "mean_loss"}
    return _of_steps(found, lines, "nats", "#7c63bd")


def step_size(found: RoundCurves) -> Figure:
    """Draw the step size tau, which falls along a cosine."""
    return _of_steps(found, {"step size τ": "tau"}, "step size τ", "#c2740a", zero=True)


def weight(found: RoundCurves) -> Figure:
    """Draw w, the weight of the entropy in the energy."""
    return _of_steps(found, {"entropy weight w": "weight"}, "entropy weight w", "#3aa6a0")


def _of_steps(
    found: RoundCurves,
    lines: Mapping[str, str],
    title: str,
    colour: str,
    zero: bool = False,
) -> Figure:
    """Draw values that the round has as a whole; with `zero` the axis begins at 0, uncut."""
    rows = [
        {"step": row["step"], "what": what, "value": row[key]}
        for row in found.steps
        for what, key in lines.items()
    ]
    domain = None if zero else _domain([row["value"] for row in found.late(rows)])
    legend = alt.Legend(symbolStrokeColor=colour) if len(lines) > 1 else None
    chart = (
        on()
        .mark_line(clip=True, color=colour)
        .encode(
            x=STEP,
            y=alt.Y("value:Q", title=title, scale=_scale(domain, zero=zero)),
            strokeDash=alt.StrokeDash("what:N", title="", sort=list(lines), legend=legend),
            tooltip=["step:Q", "what:N", "value:Q"],
        )
    )
    return figure(chart, f"{', '.join(lines)} by step of the round", rows=rows)


def _of_children(found: RoundCurves, column: str, title: str) -> Figure:
    """Draw a value that each network has."""
    domain = _domain([row[column] for row in found.contenders])
    chart = _lines(found, column, title, domain).add_params(focus())
    return figure(chart, f"{title} of each network by step of the round", rows=found.rows)


def _lines(
    found: RoundCurves, column: str, title: str, domain: list[float] | None
) -> alt.LayerChart | alt.FacetChart:
    """Draw one line for each network, and invisible points that show their values to a pointer."""
    encoded = on().encode(
        x=STEP,
        y=alt.Y(f"{column}:Q", title=title, scale=_scale(domain)),
        color=child_colour(found.colours),
    )
    lines = encoded.mark_line(clip=True).encode(
        opacity=faded(0.95),
        strokeWidth=alt.condition(alt.datum.child == found.leader, alt.value(2.6), alt.value(1.2)),
    )
    points = encoded.mark_point(clip=True, opacity=0, size=90, filled=True).encode(
        tooltip=_tips(f"{column}:Q", title, ".5~g")
    )
    return alt.layer(lines, points)


def _scale(domain: list[float] | None, *, zero: bool = False) -> alt.Scale:
    return alt.Scale(zero=zero) if domain is None else alt.Scale(domain=domain, nice=False)


def _tips(field: str, title: str, form: str) -> list[alt.Tooltip]:
    network, step = alt.Tooltip("child:N", title="network"), alt.Tooltip("step:Q", title="step")
    return [network, step, alt.Tooltip(field, title=title, format=form)]


def _domain(values: Sequence[float | None], also: float | None = None) -> list[float] | None:
    """The range from a little below the lowest value to a little above the CLIP quantile, which
    leaves out spikes; `also` is always inside. None without values."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), float(np.quantile(known, CLIP))
    if also is not None:
        low, high = min(low, also), max(high, also)
    room = 0.08 * (high - low) or 0.01
    return [low - room * (low != also), high + room]
