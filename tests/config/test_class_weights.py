"""Class weights: what may stand in a file, and the factor of each class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nasflow.config.class_weights import factors, unknown
from nasflow.config.data import Data, of_images, of_losses
from nasflow.config.reading import ConfigError, parse
from nasflow.config.section import plain

EXPECTED = "expected none, balanced or a mapping of class names to numbers"
RANGE = "expected a number from 0.001 to 1000"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("none", "none"),
        (None, "none"),
        ({}, "none"),
        ({"cat": None}, "none"),
        ("balanced", "balanced"),
        ({"cat": 2, 7: 0.001, False: 1000}, {"cat": 2.0, "7": 0.001, "False": 1000.0}),
    ],
)
def test_a_legal_value_is_read(given: Any, wanted: Any) -> None:
    """YAML reads the name 7 as a number."""
    found = parse(Data, {"class_weights": given}, "data")
    assert found.class_weights == wanted
    assert parse(Data, plain(found), "data") == found


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("balancd", f": 'balancd'; {EXPECTED} (did you mean 'balanced'?)"),
        (3, f": 3; {EXPECTED}"),
        (True, f": True; {EXPECTED}"),
        (["cat"], f": ['cat']; {EXPECTED}"),
        ({"cat": 0}, f".cat: 0; {RANGE}"),
        ({"cat": -1.0}, f".cat: -1.0; {RANGE}"),
        ({"cat": 1e9}, f".cat: 1000000000.0; {RANGE}"),
        ({"cat": math.nan}, f".cat: nan; {RANGE}"),
        ({"cat": math.inf}, f".cat: inf; {RANGE}"),
        ({"cat": True}, f".cat: True; {RANGE}"),
        ({"cat": "1e1"}, f".cat: '1e1'; {RANGE} without quotes, such as 2 or 1.0e+1"),
        ({1: 2, "1": 3}, ".1: 3; the class stands twice"),
        ({"a\x1b": 0}, f".a\\x1b: 0; {RANGE}"),
    ],
)
def test_a_wrong_value_is_one_line(given: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Data, {"class_weights": given}, "data")
    assert str(caught.value) == f"data.class_weights{line}"


def test_an_unknown_class_is_named_with_those_that_there_are() -> None:
    start = "data.class_weights"
    assert unknown({"cats": 2.0, "False": 3.0}, ["cat", "dog", "no"]) == [
        f"{start}.cats: unknown class; expected one of 'cat', 'dog', 'no' (did you mean 'cat'?)",
        f"{start}.False: unknown class; expected one of 'cat', 'dog', 'no'; in YAML, put such a "
        "name in quotes",
    ]
    assert unknown({"x": 1.0}, range(100))[0].endswith("'8', '9' ... (100)")
    assert not unknown({"7": 1.0}, range(8)) and not unknown("balanced", ())
    assert not unknown({"e\u0301": 1.0}, ["\u00e9"])  # two Unicode forms of one name
    with pytest.raises(ValueError, match="unknown class"):
        factors({"x": 2.0}, ["a", "b"], [1, 1])


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    counts = [400, 20, 3]
    labels = np.repeat(np.arange(3), counts)
    weight = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    found = factors("balanced", "abc", counts)
    np.testing.assert_allclose(found, weight("balanced", classes=np.arange(3), y=labels))
    np.testing.assert_allclose(factors("balanced", "abcd", [*counts, 0])[:3], found)


def test_the_mean_weight_of_a_training_image_is_one() -> None:
    counts = np.array([400, 20, 3])
    for wanted in ("balanced", {"b": 20.0}, {"a": 0.001, "c": 1000.0}):
        found = np.array(factors(wanted, "abc", counts))
        assert found @ counts == pytest.approx(counts.sum())
    assert found[2] / found[0] == pytest.approx(1e6)


def test_weights_that_are_all_equal_are_none() -> None:
    for wanted, counts in (("none", [9, 1]), ("balanced", [5, 5]), ({"a": 3.0, "b": 3.0}, [9, 1])):
        assert factors(wanted, "ab", counts) is None


def test_prepared_images_do_not_depend_on_the_weights_and_losses_on_nothing_else() -> None:
    none, weighted = Data(), Data(class_weights={"0": 2.0})
    assert of_images(none) == of_images(weighted) and "class_weights" not in of_images(none)
    assert of_losses(none) == {} and of_losses(weighted) == {"class_weights": {"0": 2.0}}
