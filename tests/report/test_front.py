"""The chapter of a front: the figures of its record, charts of them, and nothing where none is."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from browser import chromium, listened
from fronts import SIZES, write_front
from places import GOLDEN

from nasflow.charts.charts import Figure
from nasflow.records.front import front
from nasflow.report import page as report
from nasflow.report.front import front_chapter
from nasflow.report.parts import SPACE
from nasflow.storage.files import CorruptFile

SEARCH = "nasgd/seed_0"
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment whose search has a front; its final network has not been tested yet."""
    copy = tmp_path_factory.mktemp("front") / "digits"
    shutil.copytree(GOLDEN, copy, ignore=shutil.ignore_patterns("metrics.json"))
    write_front(copy / SEARCH)
    return copy


@pytest.fixture(scope="module")
def html(experiment: Path) -> str:
    return report.page(experiment, None)


def test_the_table_has_the_figures_of_the_record(html: str) -> None:
    chapter = html.split('<section id="nasgd-0-front">')[1].split("</section>")[0]
    rows = [row for row in chapter.split("<tr>") if "<td>" in row]
    assert len(rows) == len(SIZES)
    for row, (name, accuracy, parameters, _, ram, latency) in zip(rows, SIZES, strict=True):
        assert name in row and f"{100 * accuracy:.2f}{SPACE}%" in row
        for figure in (parameters, parameters + 40, ram):
            assert f"{figure:,}" in row
        assert f"{latency:.3g} ms" in row and f"{2 * latency:.3g} ms" in row
        on_front = name != "prune 1"
        assert (f"<b>{parameters:,}</b>" in row) == (f"<b>{latency:.3g} ms</b>" in row) == on_front
    assert "The smallest network within one point of the best is" in chapter
    assert "onnxruntime" not in chapter
    assert rows[-1].count("◆") == 1 and "◆" not in "".join(rows[:-1])


def test_the_page_links_to_the_chapter_and_has_the_table_as_csv(
    experiment: Path, html: str
) -> None:
    assert '<a data-part="front"' in html
    for cost in ("flash", "flops", "ram", "latency"):
        assert f'data-figure="nasgd-0-front-{cost}"' in html
    content = html.split('href="data:text/csv;charset=utf-8;base64,')[1].split('"')[0]
    assert base64.b64decode(content) == (experiment / SEARCH / "front/front.csv").read_bytes()


def test_same_records_give_the_same_page(experiment: Path, html: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(experiment, tmp_path / "digits"))
    assert report.page(copy, None) == html
    write_front(copy / SEARCH, SIZES[1:])
    assert report.page(copy, None) != html


def test_without_a_front_the_page_has_no_chapter(experiment: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(experiment, tmp_path / "x", ignore=shutil.ignore_patterns("front"))
    page = report.page(copy, None)
    assert "-front" not in page and 'data-part="front"' not in page


def test_what_was_not_measured_is_a_dash_and_is_said(html: str, tmp_path: Path) -> None:
    none = dict.fromkeys(("latency_int8", "latency_float32", "file_int8", "test_accuracy_int8"))
    found = front(write_front(tmp_path / SEARCH, **none))
    assert found is not None
    charts: dict[str, Figure] = {}
    chapter = front_chapter(found, "x", charts)
    assert chapter is not None and list(charts) == ["x-front-flash", "x-front-flops", "x-front-ram"]
    assert not chapter.latency and all("latency" not in best for _, best in chapter.rows)


def test_a_damaged_table_makes_no_chapter(tmp_path: Path) -> None:
    search = write_front(tmp_path / SEARCH)
    (search / "front/front.csv").write_text("1,2\n")
    found = front(search)
    assert found is not None
    with pytest.raises(CorruptFile, match=r"front\.csv"):
        front_chapter(found, "x", {})


def test_names_stay_text(experiment: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(experiment, tmp_path / "digits"))
    write_front(copy / SEARCH, ((HOSTILE, *SIZES[0][1:]), SIZES[1]))
    page = report.page(copy, None)
    assert HOSTILE not in page and "&lt;/script&gt;&lt;img src=x" in page


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_chart_is_drawn_in_a_browser(
    html: str, tmp_path: Path, width: int, scheme: str
) -> None:
    (tmp_path / "page.html").write_text(html)
    with chromium() as browser:
        view = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        heard = listened(view)
        view.goto((tmp_path / "page.html").as_uri())
        for plot in view.locator("#nasgd-0-front .plot").all():
            plot.scroll_into_view_if_needed()
            plot.locator("canvas").wait_for(timeout=20_000)
        assert view.evaluate("nasflow.failed") == [] and heard == []
        assert view.evaluate("document.documentElement.scrollWidth") <= width
