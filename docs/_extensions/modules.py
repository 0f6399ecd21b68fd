"""The directive `modules`: every module of the package and what it is, by layer.

The layers are those that tests/test_code.py holds the imports to.
"""

import ast
from pathlib import Path

from docstrings import CODE
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests/test_code.py"


def layers() -> list[list[str]]:
    """Names of modules, bottom first."""
    tree = ast.parse(TESTS.read_text())
    found = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "LAYERS"
    )
    return ast.literal_eval(found)


class Modules(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TESTS))
        listing = nodes.definition_list()
        for layer in layers():
            for name in layer:
                text = (ROOT / "nasflow" / f"{name.replace('.', '/')}.py").read_text()
                said = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
                term = nodes.term("", "", nodes.literal(text=f"nasflow.{name}"))
                parts = CODE.split(" ".join(said.split()))  # prose, code, prose, ...
                words = [
                    nodes.literal(text=part) if place % 2 else nodes.Text(part)
                    for place, part in enumerate(parts)
                ]
                body = nodes.definition("", nodes.paragraph("", "", *words))
                listing += nodes.definition_list_item("", term, body)
        return [listing]


def setup(app):  # type: ignore[no-untyped-def]
    app.add_directive("modules", Modules)
    return {"parallel_read_safe": True}
