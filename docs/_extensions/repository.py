"""Changes the links of pages to files of the repository, which work on a code host only.

A link to a file that is a page of the site under another name leads to that page. Other links to
existing files become plain text, because the site does not contain the repository. A link to a file
that does not exist stays an error.
"""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref

ROOT = Path(__file__).parents[2]
PAGES = {
    "README": "index",
    "config/README": "ideas",
    "CHANGELOG": "changelog",
    "CONTRIBUTING": "contributing",
}


def settle(app, tree):  # type: ignore[no-untyped-def]
    """Change the links of one page before Sphinx resolves them."""
    for link in list(tree.findall(download_reference)):
        path = Path(app.srcdir, link["reftarget"].lstrip("/"))
        if path.exists():
            link.replace_self(nodes.inline("", "", *link.children))
    for link in list(tree.findall(pending_xref)):
        target = Path(link.get("reftarget", ""))
        if link.get("refdomain") != "doc" or not target.is_relative_to(ROOT):
            continue
        if page := PAGES.get(str(target.relative_to(ROOT))):
            link["reftarget"] = page
        elif target.with_suffix(".md").exists():
            link.replace_self(nodes.inline("", "", *link.children))


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("doctree-read", settle)
    return {"parallel_read_safe": True}
