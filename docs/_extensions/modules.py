"""The directive `modules`: lists every room and module of the package with its first sentence.

The order of the rooms is that of `ROOMS` in tests/system/test_code.py, where a test holds the
imports to it.
"""

from __future__ import annotations

import ast
from pathlib import Path

from docstrings import CODE
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS = ROOT / "nasflow", ROOT / "tests/system/test_code.py"


def rooms() -> list[str]:
    """Return the names of the rooms, from the ground up."""
    tree = ast.parse(TESTS.read_text())
    found = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ROOMS"
    )
    names: list[str] = ast.literal_eval(found)
    return names


def modules(room: str) -> dict[str, Path]:
    """Return the modules of a room by their names, such as `nasflow.report.page`."""
    if (PACKAGE / f"{room}.py").exists():
        name = "nasflow" if room == "__init__" else f"nasflow.{room}"
        return {name: PACKAGE / f"{room}.py"}
    files = sorted(path for path in (PACKAGE / room).glob("*.py") if path.stem != "__init__")
    return {f"nasflow.{room}.{path.stem}": path for path in files}


def _described(path: Path) -> str:
    """Return the first paragraph of a module's docstring."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0]
    return " ".join(text.split())


class Modules(SphinxDirective):
    """Lists all modules, room by room."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TESTS))
        listing = nodes.definition_list()
        for room in rooms():
            for name, path in modules(room).items():
                self.env.note_dependency(str(path))
                listing += self._item(name, _described(path))
        return [listing]

    def _item(self, name: str, text: str) -> nodes.Node:
        term = nodes.term("", "", nodes.literal(text=name))
        parts = CODE.split(text)  # prose, code, prose, ...
        words = [
            nodes.literal(text=part) if place % 2 else nodes.Text(part)
            for place, part in enumerate(parts)
        ]
        return nodes.definition_list_item(
            "", term, nodes.definition("", nodes.paragraph("", "", *words))
        )


def setup(app):  # type: ignore[no-untyped-def]
    app.add_directive("modules", Modules)
    return {"parallel_read_safe": True}
