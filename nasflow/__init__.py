"""Neural architecture search by gradient descent on the space of architectures (NASGD).

`import nasflow` is for notebooks: architectures, morphisms, flows and searches under the names of
`__all__`. A name is loaded when it is first used, so that the import alone takes no torch.
"""

from importlib import import_module as _load
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasflow import flow as flow
    from nasflow import schedule as schedule
    from nasflow.architecture import Architecture as Architecture
    from nasflow.architecture import chain as chain
    from nasflow.batches import Split as Split
    from nasflow.flow import graph as graph
    from nasflow.ideal import Dynamics as Dynamics
    from nasflow.ideal import Trajectory as Trajectory
    from nasflow.ideal import minimise as minimise
    from nasflow.ideal import run_flow as run_flow
    from nasflow.in_memory import Found as Found
    from nasflow.in_memory import run_search as run_search
    from nasflow.morphisms import MORPHISMS as MORPHISMS
    from nasflow.morphisms import Morphism as Morphism
    from nasflow.neighbourhood import Child as Child
    from nasflow.neighbourhood import draw_children as draw_children
    from nasflow.neighbourhood import morph as morph
    from nasflow.neighbourhood import sites as sites
    from nasflow.network import Network as Network
    from nasflow.network import forward as forward
    from nasflow.network import initialise as initialise
    from nasflow.node import Node as Node
    from nasflow.search import run_round as run_round
    from nasflow.setting import Round as Round
    from nasflow.setting import Setting as Setting
    from nasflow.storage.checkpoint import read_checkpoint as read_checkpoint
    from nasflow.torch_module import Module as Module
    from nasflow.torch_module import from_torch as from_torch

__version__ = "0.1.0"

_NAMES = {
    "architecture": ("Architecture", "chain"),
    "batches": ("Split",),
    "storage.checkpoint": ("read_checkpoint",),
    "flow": ("graph",),
    "ideal": ("Dynamics", "Trajectory", "minimise", "run_flow"),
    "in_memory": ("Found", "run_search"),
    "morphisms": ("MORPHISMS", "Morphism"),
    "neighbourhood": ("Child", "draw_children", "morph", "sites"),
    "network": ("Network", "forward", "initialise"),
    "node": ("Node",),
    "search": ("run_round",),
    "setting": ("Round", "Setting"),
    "torch_module": ("Module", "from_torch"),
}
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


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(_load(f"nasflow.{_HOME[name]}"), name)
    elif name in ("flow", "schedule"):
        value = _load(f"nasflow.{name}")
    else:
        raise AttributeError(f"module 'nasflow' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
