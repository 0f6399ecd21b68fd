"""Where the folders of the program are: workflow, configurations, profiles and examples.

In the repository they lie beside the package. A wheel brings them inside it, in `shipped`, where
`setup.py` puts them.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder that holds `workflow`, `config`, `profiles` and `examples`."""
    shipped = PACKAGE / "shipped"
    return shipped if shipped.is_dir() else PACKAGE.parent
