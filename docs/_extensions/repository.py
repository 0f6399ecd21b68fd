"""Links of a page to files of the repository, which lead to the file on a code host.

Those to pages that are part of the site under another name lead there; others lose the link, since
the site does not carry the repository with it. A link to a file that is not there stays an error.
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
    """Run before links are resolved."""
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
