"""Settings of Sphinx for these pages.

`make docs` builds them, or sphinx-build -W --keep-going docs build/docs."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent / "_extensions")]

import nasflow

project, author = "nasflow", "The nasflow developers"
copyright = f"2026, {author}"
release = version = nasflow.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "configuration",
    "docstrings",
    "modules",
    "repository",
]
exclude_patterns = ["examples/**/*.ipynb", "examples/**/*.py", "examples/**/*.zip"]
smartquotes = False  # they would change the dashes of command-line options
nitpicky = True
# Types of other libraries are not linked: their pages are on the network, which a build must not
# need. Our own type aliases (Vector, Tensors) have no page to link to.
nitpick_ignore_regex = [(r"py:.*", r"(?!nasflow\.).*"), (r"py:.*", r"nasflow(\.\w+)+\.[A-Z]\w+")]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # `Attributes:` would else describe a second time what autodoc lists
napoleon_use_rtype = False  # the type stands in the signature
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name.removeprefix("npt.")
    for name in ("npt.ArrayLike", "Vector", "Matrix", "Counts", "Site", "Tensors", "Progress")
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"/extend/",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": ("_repr_html_",),
    "download_all_examples": False,
    "image_scrapers": ("matplotlib",),
    "min_reported_time": 10**6,
    "nested_sections": False,
    "remove_config_comments": True,
    "run_stale_examples": True,  # an unchanged example may print other things: the library changed
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

highlight_language = "none"  # a block without a language is mostly output of a terminal
html_theme = "furo"
html_title = "nasflow"
html_static_path = ["_static"]
html_css_files = ["nasflow.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
