"""The parts of a self-contained page: figures packed together, the scripts, what a template needs.

The page asks nothing of the network: Vega, Vega-Lite and vega-embed stand in it once (0.4 MB, as
gzip in base64), and a Content-Security-Policy forbids every request and every script but its own
two, so that a name that escaped the template's escaping would still do nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jinja2

from nasflow.charts.charts import Figure, Row

SPACE = "\u00a0"  # no line breaks between a number and its unit


def pack(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Figures by id, and every table once: columns instead of rows (a third of the size)."""
    tables: dict[str, Any] = {}
    numbers: dict[str, int] = {}
    found = {}
    for name, figure in figures.items():
        places = {}
        for table, rows in figure.data.items():
            columns = _columns(rows)
            key = json.dumps(columns)
            numbers.setdefault(key, len(numbers))
            tables[str(numbers[key])] = columns
            places[table] = str(numbers[key])
        found[name] = {"spec": _without_legend(figure.spec), "data": places}
    return {"figures": found, "tables": tables}


def _without_legend(spec: Any) -> Any:
    """Colours of networks have one legend for all charts of a round, which the page makes."""
    if isinstance(spec, list):
        return [_without_legend(part) for part in spec]
    if not isinstance(spec, dict):
        return spec
    own = {"legend": None} if spec.get("field") == "child" and "scale" in spec else {}
    return {key: _without_legend(value) for key, value in spec.items()} | own


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """name -> {"same": value}, {"words": [...], "at": [...]} for texts, or {"values": [...]}."""
    result: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        if all(value == values[0] and type(value) is type(values[0]) for value in values):
            result[name] = {"same": values[0]}
        elif all(isinstance(value, str) for value in values):
            words = list(dict.fromkeys(values))
            place = {word: i for i, word in enumerate(words)}
            result[name] = {"words": words, "at": [place[value] for value in values]}
        else:
            result[name] = {"values": values}
    return {"count": len(rows), "columns": result}


def data_block(data: Any) -> str:
    """JSON that nothing inside can end: for <script type="application/json">."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def library() -> str:
    """vega-embed with what it needs, as one script that leaves `vegaEmbed` on the window. Made by
    vl-convert from what it carries, without a network: 3 to 5 s."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def gzipped(text: str) -> str:
    """As base64, for <script type="application/gzip">: the page's script unpacks it. A page of
    2.0 MB has 0.9 MB so; beyond 1.5 MB Chromium shows none inside Snakemake's own report."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def source(script: str) -> str:
    """What a Content-Security-Policy calls a script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def environment() -> jinja2.Environment:
    """Escapes everything that is not marked safe, and takes no undefined name for an empty one."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("nasflow.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (percent, whole, short, duration, signed, rough)
    found.filters.update({function.__name__: function for function in filters})
    return found


def percent(value: float, digits: int = 2) -> str:
    return f"{100.0 * value:.{digits}f}{SPACE}%"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def short(value: float) -> str:
    """1.28 M, as it stands before a unit: the space is there in any case."""
    for size, sign in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{SPACE}{sign}"
    return f"{value:.3g}{SPACE}"


def duration(seconds: float) -> str:
    """6 min 42 s"""
    if seconds < 100.0:
        return f"{seconds:.3g}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    pair = (hours, "h", minutes, "min") if hours else (minutes, "min", rest, "s")
    return "{1}{0}{2} {3}{0}{4}".format(SPACE, *pair)


def signed(value: float, form: str = ".4f") -> str:
    """With a sign that lines up: a minus, not a hyphen."""
    return f"{value:+{form}}".replace("-", "−")


def rough(value: float) -> str:
    """To one digit, without an exponent: 0.00003."""
    return f"{float(f'{value:.1g}'):.8f}".rstrip("0").rstrip(".")
