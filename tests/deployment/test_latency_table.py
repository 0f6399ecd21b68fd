"""A table of latencies adds up what the operations of a network take."""

from __future__ import annotations

import dataclasses

import pytest
from cases import EVERY_NODE

from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.config.kinds import Stored
from nasflow.deployment.latency_amounts import amounts
from nasflow.deployment.latency_table import LEAST, Check, LatencyTable, table_of

CHECK = Check(10, 0.05, 0.12, 0.95)


def table(**each: float) -> LatencyTable:
    names = {name.replace("_", " "): value for name, value in each.items()}
    return LatencyTable(Stored.FLOAT32, (1, 8, 8), 16, names, CHECK)


def test_the_time_is_the_sum_over_operations_of_amount_times_milliseconds() -> None:
    g = chain((16, 32), 3, (1, 8, 8), 10)
    found = amounts(g, Stored.FLOAT32, 16)
    # the first convolution reads 1 channel, the second one a block of 16 behind a pool of 8 x 8
    assert (found["direct"], found["blocked"], found["blocked pool"]) == (1, 1, 1)
    assert found["direct products"] == 1 * 16 * 9 * 64
    assert found["blocked products"] == 16 * 32 * 9 * 16
    own = table(network=0.5, blocked_products=1e-6, direct=0.25, unheard_of=7.0)
    assert own.milliseconds(g) == pytest.approx(0.75 + 1e-6 * 73_728)
    assert table().milliseconds(g) == LEAST


def test_channels_are_rounded_up_to_blocks_where_their_number_can_be_divided_by_four() -> None:
    def products(width: int, block: int) -> dict[str, float]:
        found = amounts(chain((width, 40), 3, (3, 8, 8), 10), Stored.FLOAT32, block)
        return {name: value for name, value in found.items() if name.endswith(" products")}

    first = 3 * 48 * 9 * 64
    assert products(20, 16) == {
        "direct products": 3 * 32 * 9 * 64,
        "blocked products": 48 * 32 * 144,
    }
    assert products(36, 16) == {"direct products": first, "blocked products": 48 * 48 * 144}
    assert products(37, 16) == {"direct products": first, "plain products": 37 * 40 * 144}
    assert products(20, 1) == {"plain products": 3 * 20 * 576 + 20 * 40 * 144}


@pytest.mark.parametrize("precision", list(Stored))
@pytest.mark.parametrize("block", [1, 8, 16])
def test_every_operation_is_counted(precision: Stored, block: int) -> None:
    graphs = [EVERY_NODE, *(build((3, 32, 32), 10) for build in TEMPLATES.values())]
    for g in graphs:
        whole = amounts(g, precision, block)
        assert all(value >= 0 for value in whole.values())
        names = {node.op for node in g.nodes} - {"image", "conv", "whiten"}
        assert all(any(name.endswith(op) for name in whole) for op in names)
        wider = dataclasses.replace(g.head, width=g.head.width + 1)
        more = amounts(type(g)((*g.nodes[:-1], wider), g.size), precision, block)
        assert all(more[name] >= value for name, value in whole.items())


def test_it_survives_json() -> None:
    own = table(network=0.5)
    assert table_of(own.entry()) == own
    with pytest.raises(ValueError, match="int7"):
        table_of(own.entry() | {"precision": "int7"})
