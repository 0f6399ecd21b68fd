"""What `nasflow init` derives from the images and from the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasflow.architecture.templates import TEMPLATES, WIDTHS
from nasflow.planning.choices import Choice
from nasflow.planning.sizing import (
    BATCH,
    COST,
    EACH,
    LEAST,
    MANY,
    MIRROR,
    OVERHEAD,
    PASSES,
    PORTFOLIO,
    SEARCH,
    SEEN,
    SMALL_BATCH,
    START,
    Lengths,
    lengths,
    shape,
    training_seconds,
    width,
)
from nasflow.planning.survey import Survey


def survey(
    images: int = 50_000,
    size: tuple[int, int, int] = (32, 32, 3),
    *,
    uniform: bool = True,
    test: int = 10_000,
) -> Survey:
    return Survey(images, test, size, uniform, {str(i): images // 10 for i in range(10)})


def chosen(minutes: float, cores: int = 1, seeds: int = 1, baseline: str | None = None) -> Choice:
    made = Choice("mine", "digits", None, None, minutes, "nasgd", "cpu", cores)
    return made._replace(seeds=seeds, baseline=baseline)


@given(st.floats(2, 1e4), st.floats(0, 100))
def test_all_stages_together_take_nearly_the_time_that_was_given(
    minutes: float, used: float
) -> None:
    total = training_seconds(chosen(minutes), used)
    assert LEAST * 60 * minutes - 0.1 <= total <= 60 * minutes
    for passes, part in ((PASSES, SEARCH), (PASSES - 1.0, START)):
        sized = lengths(total, passes, 1000)
        assert (sized.width, sized.passes, sized.portfolio) == (1.0, passes, PORTFOLIO)
        assert sized.search == pytest.approx(part * total, abs=0.1)
        assert sized.part * sized.search == pytest.approx(START * total, abs=0.1)


@pytest.mark.parametrize(
    ("seen", "expected", "first"),
    [
        (0.0, 1.0, "chain7"),
        (2.0 * SEEN, 1.0, "chain7"),
        (2.2 * SEEN, 1.5, "chain7_x1.5"),
        (3.4 * SEEN, 1.5, "chain7_x1.5"),
        (3.5 * SEEN, 2.0, "chain7_x2"),
        (1e9, 2.0, "chain7_x2"),
    ],
)
def test_more_images_in_the_time_make_wider_networks(
    seen: float, expected: float, first: str
) -> None:
    assert width(seen) == expected
    sized = lengths(300.0, seen / 10_000, 10_000)
    assert (sized.width, sized.portfolio[0]) == (expected, first)
    assert set(sized.portfolio) <= set(TEMPLATES)
    assert sized.passes == pytest.approx(seen / 10_000 / expected**COST)
    if expected > 1.0:
        assert sized.passes * 10_000 >= SEEN


@pytest.mark.parametrize(
    ("side", "passes", "expected"),
    [(32, 5.0, True), (23, PASSES - 0.1, True), (22, 5.0, False), (32, PASSES, False)],
)
def test_images_are_smaller_at_first_where_there_are_few_passes(
    side: int, passes: float, expected: bool
) -> None:
    shaped = shape(survey(size=(side, 40, 3)))
    assert Lengths(300.0, 45.0, 1.0, 1.0, passes).small(shaped) == expected


@pytest.mark.parametrize("factor", WIDTHS)
@pytest.mark.parametrize("name", PORTFOLIO)
def test_the_cost_of_a_width_lies_between_its_filters_and_their_square(
    name: str, factor: float
) -> None:
    wide, plain = (TEMPLATES[n]((3, 32, 32), 10).flops for n in (f"{name}_x{factor:g}", name))
    assert factor < wide / plain < 1.1 * factor**2


def test_programs_take_seconds_to_start() -> None:
    assert training_seconds(chosen(6), 8.0) == 360.0 - 8.0 - OVERHEAD - EACH
    assert training_seconds(chosen(10), 0.0) == 600.0 - OVERHEAD - EACH - MIRROR
    assert training_seconds(chosen(2), 200.0) == 60.0  # at least half of the time


@pytest.mark.parametrize(
    ("cores", "seeds", "baseline", "threads", "waves"),
    [
        (1, 1, None, 1, 1),
        (2, 1, None, 2, 1),
        (8, 1, None, 2, 1),  # a batch of the final training has two shards
        (1, 3, None, 1, 3),
        (2, 3, None, 1, 2),
        (2, 1, "chain7", 1, 1),
        (1, 2, "chain7", 1, 4),
        (4, 2, None, 2, 1),
    ],
)
def test_trainings_share_cores_and_time(
    cores: int, seeds: int, baseline: str | None, threads: int, waves: int
) -> None:
    found = chosen(20, cores, seeds, baseline)
    assert (found.threads, found.waves) == (threads, waves)
    expected = (1200.0 - OVERHEAD) / waves - EACH - MIRROR
    assert training_seconds(found, 0.0) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("size", "uniform", "images", "expected"),
    [
        ((28, 28, 1), True, 5000, None),
        ((48, 20, 3), True, 5000, None),
        ((49, 20, 3), True, 5000, 20),
        ((28, 28, 1), False, 5000, 28),
        ((48, 48, 3), False, 5000, 32),
        ((60, 49, 3), False, 5000, 49),
        ((500, 400, 3), True, 5000, 64),
        ((500, 400, 3), False, 5000, 64),
        ((500, 400, 3), False, MANY, 32),
        ((5, 4, 3), False, 5000, 8),
    ],
)
def test_images_of_one_small_size_keep_it(
    size: tuple[int, int, int], uniform: bool, images: int, expected: int | None
) -> None:
    shaped = shape(survey(images, size=size, uniform=uniform))
    assert shaped.size == expected
    height, width = (expected, expected) if expected else size[:2]
    assert shaped.image == (size[2], height, width)


@pytest.mark.parametrize(("side", "shift"), [(8, 1), (16, 1), (31, 1), (32, 2), (48, 3)])
def test_images_are_shifted_by_a_sixteenth(side: int, shift: int) -> None:
    assert shape(survey(size=(side, side, 1))).shift == shift


def test_a_fifth_is_held_out_where_there_is_no_test_set() -> None:
    found = shape(survey(1000, test=0))
    assert (found.train, found.validation) == (720, 80)
    found = shape(survey(1000, test=200))
    assert (found.train, found.validation) == (900, 100)


@pytest.mark.parametrize(
    ("images", "batch"), [(50_000, BATCH), (5_000, SMALL_BATCH), (711, 64), (600, 32), (12, 8)]
)
def test_an_epoch_has_ten_steps_or_more(images: int, batch: int) -> None:
    found = shape(survey(images))
    assert found.batch == batch
    assert found.train // found.batch >= 10 or found.batch == 8


@given(
    st.integers(2, 10**6), st.tuples(*[st.integers(1, 700)] * 2, st.sampled_from([1, 3])),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_sizes_fit_the_images_whatever_they_are(
    images: int, size: tuple[int, int, int], uniform: bool, tested: bool
) -> None:
    found = shape(survey(images, size, uniform=uniform, test=100 * tested))
    assert 1 <= found.batch <= found.train
    assert 1 <= found.validation_batch <= found.validation
    assert found.train + found.validation <= images
    for name in PORTFOLIO:
        if min(found.image[1:]) >= 2:
            assert TEMPLATES[name](found.image, 10).shapes[0] == found.image
