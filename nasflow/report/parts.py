"""The parts of a self-contained page: packed figures, scripts, and the filters of the templates.

The page loads nothing from the network: it contains Vega, Vega-Lite and vega-embed once (0.4 MB, as
gzip in base64). A Content-Security-Policy forbids every request, and every script except the two
of the page. A name that got past the escaping of the template could therefore still do nothing.
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
from nasflow.deployment.figures import figures, kilobytes

SPACE = "\u00a0"  # no-break space: a number and its unit stay on one line


def pack(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Pack figures for the script of the page: each table once, and by columns.

    Columns take a third of the size of rows.

    Args:
        figures: the figures by their ids in the page.

    Returns:
        `figures` with the specification of each figure and the numbers of its tables, and `tables`
        by number.
    """
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
    """Drop the legends of networks: the page makes one legend for all charts of a round."""
    if isinstance(spec, list):
        return [_without_legend(part) for part in spec]
    if not isinstance(spec, dict):
        return spec
    own = {"legend": None} if spec.get("field") == "child" and "scale" in spec else {}
    return {key: _without_legend(value) for key, value in spec.items()} | own


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Pack rows by column, each in the shortest of three forms: {"same": value} for a constant,
    {"words": [...], "at": [...]} for texts and {"values": [...]} for all else."""
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
    """Write data as JSON for <script type="application/json">; no text in it can end the script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def library() -> str:
    """Bundle vega-embed and all it needs as one script, which sets `vegaEmbed` on the window.

    vl-convert makes the bundle from files of its own, without a network, in 3 to 5 s. The notices
    of these programs are in templates/licences.txt."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def gzipped(text: str) -> str:
    """Compress a text, as base64 for <script type="application/gzip">.

    The script of the page unpacks it. Compression makes a page of 0.9 MB from one of 2.0 MB.
    Chromium shows no page above 1.5 MB inside Snakemake's own report."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def source(script: str) -> str:
    """Return the name that a Content-Security-Policy gives to a script: its digest."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def environment() -> jinja2.Environment:
    """Make the environment of the templates.

    It escapes every text that is not marked as safe, and an undefined name is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("nasflow.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (percent, whole, short, duration, signed, rough, figures, size, milliseconds)
    found.filters.update({function.__name__: function for function in filters})
    return found


def percent(value: float, digits: int = 2) -> str:
    """Write a fraction between 0 and 1 in per cent."""
    return f"{100.0 * value:.{digits}f}{SPACE}%"


def whole(value: float) -> str:
    """Write a number without decimals, with commas between thousands."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Write a number as it stands before a unit, such as `1.28 M`; it always contains a space."""
    for size, sign in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{SPACE}{sign}"
    return f"{value:.3g}{SPACE}"


def size(count: float) -> str:
    """Write a number of bytes in kB or MB."""
    return kilobytes(count).replace(" ", SPACE)


def milliseconds(value: float) -> str:
    """Write a time in milliseconds, such as `0.31 ms`."""
    return f"{value:.3g}{SPACE}ms"


def duration(seconds: float) -> str:
    """Write a time in its two largest units, such as `6 min 42 s`; below 100 s in seconds."""
    if seconds < 100.0:
        return f"{seconds:.3g}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    pair = (hours, "h", minutes, "min") if hours else (minutes, "min", rest, "s")
    return "{1}{0}{2} {3}{0}{4}".format(SPACE, *pair)


def signed(value: float, form: str = ".4f") -> str:
    """Write a number with its sign, as a minus and not as a hyphen, so that signs line up."""
    return f"{value:+{form}}".replace("-", "−")


def rough(value: float) -> str:
    """Write a number with one significant digit and without an exponent, such as 0.00003."""
    return f"{float(f'{value:.1g}'):.8f}".rstrip("0").rstrip(".")
