"""What a stage is told of the configuration: without newer keys that have their default values.

The workflow hands sections to a stage as JSON, and a changed text makes the stage run again. A key
that came with a version of nasflow and has its default value changes no result. So it is left out
of the text, and the results of the versions before stay as they are.
"""

from __future__ import annotations

from nasflow.config.base import Base
from nasflow.config.experiment import Experiment
from nasflow.config.search import SHRINKING, Constraints, Search
from nasflow.config.section import Plain, Section, plain
from nasflow.config.training import Final

NEWER: dict[type[Section], tuple[str, ...]] = {
    Experiment: ("prune",),
    Base: ("portfolio_forecast",),
    Search: ("ram_weight", "latency_weight"),
    Constraints: ("precision", "max_flash", "max_ram", "max_latency", "latency_table"),
    Final: ("front", "distillation", "temperature", "resize", "resize_until"),
}
# Newer names in mappings of names to numbers. A name that is left out has its default number.
NAMES = {"morphisms": SHRINKING, "edge_weights": SHRINKING}
# Keys of `final` that say nothing about the training of a network that no other one teaches.
OF_THE_FRONT = ("front", "distillation", "temperature")


def told(section: Section) -> dict[str, Plain]:
    """Turn a section into plain data, without the newer keys that have their default values.

    Args:
        section: any section, or the whole experiment. Sections inside it are treated alike.
    """
    found, fields = plain(section), type(section).model_fields
    for name in fields:
        value = getattr(section, name)
        if name in NEWER.get(type(section), ()) and value == fields[name].default:
            del found[name]
        elif isinstance(value, Section):
            found[name] = told(value)
        elif isinstance(section, Search) and name in NAMES:
            numbers, default = dict(value), fields[name].default
            newer = [one for one in NAMES[name] if numbers[one] == default[one]]
            found[name] = {one: numbers[one] for one in numbers if one not in newer}
    return found


def told_of_training(final: Final, *, taught: bool = False) -> dict[str, Plain]:
    """Turn the section `final` into plain data for the training of one network.

    Args:
        final: the section.
        taught: whether another network teaches this one.
    """
    left_out = ("front",) if taught else OF_THE_FRONT
    return {name: value for name, value in told(final).items() if name not in left_out}
