"""The directive `configuration SECTION`: lists the keys of one section of the configuration.

The meaning of a key is its comment in config/config.yaml, or its description in the schema if the
file has no comment. Type and bounds come from the schema, the default value comes from
config/config.yaml, and the symbol of the paper from docs/symbols.yaml.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
FILE, SCHEMA = ROOT / "config/config.yaml", ROOT / "workflow/schemas/config.schema.yaml"
SYMBOLS = Path(__file__).parents[1] / "symbols.yaml"
Json = Mapping[str, Any]


def comments() -> dict[str, str]:
    """Return the comment behind each key of the default file, by names such as `search.n_neigh`."""
    text = FILE.read_text()
    lines = text.splitlines()
    return {
        name: lines[line].partition(" # ")[2].strip()
        for name, line in _lines(yaml.compose(text), "")
    }


def _lines(mapping: yaml.MappingNode, where: str) -> Iterator[tuple[str, int]]:
    for key, value in mapping.value:
        yield where + key.value, key.start_mark.line
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, f"{where}{key.value}.")


def schema() -> dict[str, Json]:
    """Return the schema of each key and section, by names such as `search.n_neigh`."""
    return dict(_parts(yaml.safe_load(SCHEMA.read_text()), ""))


def _parts(section: Json, where: str) -> Iterator[tuple[str, Json]]:
    for name, part in section["properties"].items():
        yield where + name, part
        if is_section(part):
            yield from _parts(part, f"{where}{name}.")


def is_section(part: Json) -> bool:
    """Return whether a part is a section: it has properties, but no default of its own.

    A key whose value is a mapping of names to numbers has properties and a default."""
    return "properties" in part and "default" not in part


def allowed(part: Json) -> str:
    """Return type and bounds in words, such as `integer from 4 up to 1,024, or null`."""
    if "anyOf" in part or "oneOf" in part:  # null stands last
        options = part.get("anyOf") or part["oneOf"]
        return ", or ".join(allowed(option) for option in options)
    if "enum" in part:
        return "one of " + ", ".join(map(_shown, part["enum"]))
    if "const" in part:
        return _shown(part["const"])
    kinds = part.get("type", "anything")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = {"array": "list", "object": "mapping", "boolean": "true or false", "string": "text"}
    said = " or ".join(words.get(kind, kind) for kind in kinds)
    if "array" in kinds and "items" in part:
        said += f" of: {allowed(part['items'])}"
    if "properties" in part:
        said += f" of names to: {allowed(next(iter(part['properties'].values())))}"
    return " ".join([said, *_bounds(part)])


def _bounds(part: Json) -> Iterator[str]:
    for key, word in (
        ("exclusiveMinimum", "above"),
        ("minimum", "from"),
        ("maximum", "up to"),
        ("pattern", "matching"),
    ):
        if key in part:
            yield f"{word} {_shown(part[key])}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, int):
        return f"{value:,}" if value < 10**12 else f"{value:.3g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Configuration(SphinxDirective):
    """Lists all keys of one section; `top` lists the keys outside of sections."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        for path in (FILE, SCHEMA, SYMBOLS):
            self.env.note_dependency(str(path))
        section = self.arguments[0]
        start = "" if section == "top" else f"{section}."
        notes, symbols = comments(), yaml.safe_load(SYMBOLS.read_text())
        defaults = yaml.safe_load(FILE.read_text())
        listing = nodes.definition_list(classes=["configuration"])
        for name, part in schema().items():
            rest = name.removeprefix(start)
            if not name.startswith(start) or "." in rest or is_section(part):
                continue
            default: Any = defaults
            for key in name.split("."):
                default = default[key]
            meaning = notes.get(name) or part.get("description", "")
            listing += self._item(name, meaning, default, part, symbols.get(name))
        return [listing]

    def _item(
        self, name: str, meaning: str, default: Any, part: Json, symbol: str | None
    ) -> nodes.Node:
        term = nodes.term("", "", nodes.literal(text=name), ids=[nodes.make_id(f"key-{name}")])
        said = nodes.paragraph(text=meaning[:1].upper() + meaning[1:] + "." * (meaning[-1:] != "."))
        shown = "as below" if isinstance(default, dict) and default else _shown(default)
        line = nodes.paragraph("", "Default ", nodes.literal(text=shown), classes=["allowed"])
        line += nodes.Text(f"; {allowed(part)}.")
        if symbol:
            line += nodes.Text(f" In the paper: {symbol}.")
        body = nodes.definition("", said, line)
        if isinstance(default, dict) and default:
            text = yaml.safe_dump(default, sort_keys=False, default_flow_style=True, width=80)
            body += nodes.literal_block(text, text.strip(), language="yaml")
        return nodes.definition_list_item("", term, body)


def setup(app):  # type: ignore[no-untyped-def]
    app.add_directive("configuration", Configuration)
    return {"parallel_read_safe": True}
