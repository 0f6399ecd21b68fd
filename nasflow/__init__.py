"""Neural architecture search by gradient descent on the space of architectures (NASGD).

`import nasflow` is for notebooks: architectures, morphisms, flows and searches under the names of
`__all__`. A name is loaded when it is first used, so that the import alone takes no torch.
"""

import sys as _sys


def _leave_the_current_folder() -> None:
    """Take the current folder off the path of imports where this is `python -m nasflow`.

    Python looks for modules there first, so that a file `queue.py` in it would be run. It is taken
    off before anything else is imported. Here `-m` is the first word of sys.argv only while the
    package of the program is imported.
    """
    safe = getattr(_sys.flags, "safe_path", False)
    if safe or _sys.argv[:1] != ["-m"] or len(_sys.orig_argv) < len(_sys.argv):
        return
    module = _sys.orig_argv[-len(_sys.argv)].removeprefix("-m")
    if module.split(".")[0] == "nasflow":
        del _sys.path[0]


_leave_the_current_folder()

from importlib import import_module as _load
from typing import TYPE_CHECKING, Any

from nasflow.version import __version__ as __version__

if TYPE_CHECKING:
    from nasflow.architecture.architecture import Architecture as Architecture
    from nasflow.architecture.node import Node as Node
    from nasflow.architecture.templates import chain as chain
    from nasflow.network.morphisms import MORPHISMS as MORPHISMS
    from nasflow.network.morphisms import Morphism as Morphism
    from nasflow.network.network import Network as Network
    from nasflow.network.network import forward as forward
    from nasflow.network.network import initialise as initialise
    from nasflow.network.torch_module import Module as Module
    from nasflow.network.torch_module import from_torch as from_torch
    from nasflow.particles import flow as flow
    from nasflow.particles.flow import graph as graph
    from nasflow.particles.ideal import Dynamics as Dynamics
    from nasflow.particles.ideal import Trajectory as Trajectory
    from nasflow.particles.ideal import minimise as minimise
    from nasflow.particles.ideal import run_flow as run_flow
    from nasflow.search.neighbourhood import Child as Child
    from nasflow.search.neighbourhood import draw_children as draw_children
    from nasflow.search.neighbourhood import morph as morph
    from nasflow.search.neighbourhood import sites as sites
    from nasflow.search.particle_round import run_round as run_round
    from nasflow.search.round import Round as Round
    from nasflow.search.round import Setting as Setting
    from nasflow.stages.fit_arrays import fit as fit
    from nasflow.stages.found import Found as Found
    from nasflow.stages.in_memory import run_search as run_search
    from nasflow.storage.checkpoint import read_checkpoint as read_checkpoint
    from nasflow.training import schedule as schedule
    from nasflow.training.batches import Split as Split

_NAMES = {
    "architecture.architecture": ("Architecture",),
    "architecture.templates": ("chain",),
    "architecture.node": ("Node",),
    "network.morphisms": ("MORPHISMS", "Morphism"),
    "network.network": ("Network", "forward", "initialise"),
    "network.torch_module": ("Module", "from_torch"),
    "particles.flow": ("graph",),
    "particles.ideal": ("Dynamics", "Trajectory", "minimise", "run_flow"),
    "search.neighbourhood": ("Child", "draw_children", "morph", "sites"),
    "search.particle_round": ("run_round",),
    "search.round": ("Round", "Setting"),
    "stages.fit_arrays": ("fit",),
    "stages.found": ("Found",),
    "stages.in_memory": ("run_search",),
    "storage.checkpoint": ("read_checkpoint",),
    "training.batches": ("Split",),
}
_MODULES = ("flow", "schedule")
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "MORPHISMS",
    "Architecture",
    "Child",
    "Dynamics",
    "Found",
    "Module",
    "Morphism",
    "Network",
    "Node",
    "Round",
    "Setting",
    "Split",
    "Trajectory",
    "chain",
    "draw_children",
    "fit",
    "flow",
    "forward",
    "from_torch",
    "graph",
    "initialise",
    "minimise",
    "morph",
    "read_checkpoint",
    "run_flow",
    "run_round",
    "run_search",
    "schedule",
    "sites",
]


def _drawing(g: Any) -> str:
    """Return what a notebook shows for an architecture: a drawing of it as SVG."""
    return str(_load("nasflow.architecture.diagram").diagram(g))


def __getattr__(name: str) -> Any:
    """Load a documented name when it is first used.

    The face also tells notebooks how to draw an architecture: the class itself does not know its
    drawing, which is made from it."""
    if name in _HOME:
        _load("nasflow.architecture.architecture").Architecture._repr_html_ = _drawing
        value = getattr(_load(f"nasflow.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = _load(f"nasflow.{name}")
    else:
        raise AttributeError(f"module 'nasflow' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
