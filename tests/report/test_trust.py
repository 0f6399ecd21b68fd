"""The claims of a report follow from the records."""

from __future__ import annotations

from typing import Any

from nasflow.report import trust


class _Story:
    """The part of a story that claims look at."""

    algorithm, summary, predictions, pretrain, final = "nasgd", {}, object(), None, None
    rounds = pruned = ()

    def __init__(self, error: float | None) -> None:
        self.metrics: Any = error and {
            "test_images": 100,
            "test_error": error,
            "test_accuracy": 1.0 - error,
            "balanced_accuracy": 0.5,
        }


def _keys(error: float | None, others: list[_Story], facts: dict[str, Any]) -> set[str]:
    mine = _Story(error)
    return {claim.key for claim in trust.claims(mine, [mine, *others], facts, None)}  # type: ignore[arg-type,list-item]


def test_claims_follow_from_the_records() -> None:
    alone = _keys(0.1, [], {})
    assert {"single_seed", "no_baseline", "test_interval"} <= alone
    assert "seeds" in _keys(0.1, [_Story(0.2)], {}) and "single_seed" not in _keys(
        0.1, [_Story(0.2)], {}
    )
    none = _Story(0.3)
    none.algorithm = "none"
    assert "no_baseline" not in _keys(0.1, [none], {})
    assert "duplicates" in _keys(0.1, [], {"duplicates": {"test": 3}})
    assert "no_duplicates" in _keys(0.1, [], {"duplicates": {"test": 0}})
    assert "uneven" not in _keys(0.1, [], {"balance": {"ratio": 2.9}})
    assert "uneven" in _keys(0.1, [], {"balance": {"ratio": 3.1}})
    assert "class_weights" not in alone
    weighted = _Story(0.1)
    weighted.metrics["class_weights"] = "balanced"
    found = trust.claims(weighted, [weighted], {}, None)  # type: ignore[arg-type,list-item]
    assert "class_weights" in {claim.key for claim in found}
    assert "unfinished" in _keys(None, [], {}) and "test_interval" not in _keys(None, [], {})
