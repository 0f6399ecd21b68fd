"""Links of a page to files of the repository that are no pages: the file's path, without a link.

On a code host they lead to the file; the site does not carry the repository with it.
"""

from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).parents[2]


def plain(app, tree):  # type: ignore[no-untyped-def]
    """Run before links are resolved; missing files stay an error."""
    from sphinx.addnodes import download_reference

    for link in list(tree.findall(download_reference)):
        target = (ROOT / link["reftarget"].lstrip("/")).resolve()
        if (ROOT / "docs" / link["reftarget"]).exists() or target.exists():
            link.replace_self(nodes.inline("", "", *link.children))


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("doctree-read", plain)
    return {"parallel_read_safe": True}
