"""The report: the page says what the records say, and it loads nothing from elsewhere."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import tree
from browser import chromium, listened
from places import GOLDEN

from nasflow import __main__
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.report import page as report
from nasflow.report import parts as page
from nasflow.storage.files import CorruptFile, read_json, read_page, write_json
from nasflow.storage.tables import read_table

HOSTILE = [
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "{{ 7 * 7 }} & co",
]


CHANGED = {
    "experiment": "tiny",
    "algorithms": ["nasgd", "nash"],
    "budget": {"rounds": 2},
    "search": tree.SEARCH,
}


EXPERIMENT = json.loads(json.dumps(plain(parse(Experiment, CHANGED))))


LARGEST = 1_500_000  # bytes that Chromium shows inside Snakemake's own report


class Page(HTMLParser):
    """A page taken apart: its text, its data blocks by id, its scripts, and all tags with
    attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.blocks, self.scripts, self.tags = "", {}, [], []
        self._inside: tuple[str, str | None] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = (tag, dict(attrs).get("id"))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        elif self._inside[1] in ("figures", "library"):
            text = gzip.decompress(base64.b64decode(data)).decode()
            self.blocks[self._inside[1]] = json.loads(text) if text[0] == "{" else text
        elif self._inside[1]:
            self.blocks[self._inside[1]] = json.loads(data)
        elif self._inside[0] == "script":
            self.scripts.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text.replace(page.SPACE, " ").split())


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def html(tiny: Path) -> str:
    return report.page(tiny, EXPERIMENT)


def _table(blocks: dict[str, Any], figure: str) -> list[dict[str, Any]]:
    """Return the rows of a figure, unpacked as the script of the page does it."""
    store = blocks["figures"]
    packed = store["tables"][store["figures"][figure]["data"]["rows"]]

    def value(column: dict[str, Any], i: int) -> Any:
        if "values" in column:
            return column["values"][i]
        return column["same"] if "same" in column else column["words"][column["at"][i]]

    columns = packed["columns"].items()
    return [{name: value(c, i) for name, c in columns} for i in range(packed["count"])]


def test_numbers_are_those_of_the_records(tiny: Path, html: str) -> None:
    found = Page(html)
    for search in (tiny / "nasgd/seed_0", tiny / "nash/seed_0"):
        metrics = read_json(search / "final/metrics.json")
        assert f"{100 * metrics['test_accuracy']:.2f} %" in found.words
        assert f"{metrics['parameters']:,}" in found.words
        for number in (1, 2):
            for row in read_table(
                search / f"search/round_{number}/architectures.parquet"
            ).to_pylist():
                assert f"{row['parameters']:,} parameters" in found.words
                if row["share"] is not None and row["node"]:
                    assert f"{100 * row['share']:.1f} % of the particles" in found.words


def test_the_accuracy_with_mirror_images_is_told_where_it_was_measured(
    copy: Path, html: str
) -> None:
    path = copy / "nasgd/seed_0/final/metrics.json"
    write_json(path, read_json(path) | {"test_accuracy_mirrored": 0.98765})
    words = Page(report.page(copy, EXPERIMENT)).words
    assert "--mirror, which takes twice as long), its test accuracy is 98.77 %" in words
    assert "--mirror" not in Page(html).words
    without = {k: v for k, v in read_json(path).items() if k != "test_accuracy_mirrored"}
    write_json(path, without)  # records of somebody else need not have it
    assert "--mirror" not in Page(report.page(copy, EXPERIMENT)).words


def test_the_verdict_of_each_search_stands_near_the_top(tiny: Path, html: str) -> None:
    told = read_json(tiny / "nasgd/seed_0/final/metrics.json")["verdict"]
    first = html.index(told["text"][0])
    assert first < html.index("How far this can be trusted")
    block = html.split('<script type="application/json" id="verdicts">')[1].split("</script>")[0]
    assert json.loads(block)["searches"]["nasgd, seed 0"] == told


def test_charts_hold_the_records(tiny: Path, html: str) -> None:
    particles = read_table(tiny / "nasgd/seed_0/search/round_1/particles.parquet").to_pylist()
    rows = _table(Page(html).blocks, "nasgd-0-1-shares")
    assert len(rows) == len(particles) > 0
    for shown, row in zip(rows, particles, strict=True):
        assert (shown["step"], shown["node"]) == (row["step"], row["node"])
        for name, column in (("loss", "validation_loss"), ("energy", "energy")):
            assert shown[name] == pytest.approx(row[column], rel=1e-4)
        total = sum(other["count_after"] for other in particles if other["step"] == 1)
        assert shown["share"] == pytest.approx(row["count_after"] / total, rel=1e-4)


def test_same_records_give_the_same_bytes_in_another_folder_and_process(
    tiny: Path, html: str, copy: Path
) -> None:
    assert report.page(tiny, EXPERIMENT) == html
    command = [sys.executable, "-m", "nasflow", "report", str(copy)]
    subprocess.run([*command, "--config", json.dumps(EXPERIMENT)], check=True)
    assert read_page(copy / "report.html") == html.rstrip()
    assert str(tiny.parent) not in html


def test_the_page_names_nothing_of_the_network_and_runs_its_own_scripts_only(html: str) -> None:
    found = Page(html)
    assert len(found.scripts) == 1 and len(html) < LARGEST
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "http" not in policy and "eval" not in policy
    for script in (*found.scripts, found.blocks["library"]):
        assert page.source(script) in policy
    assert len(found.tags) > 100
    for tag, attributes in found.tags:
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;", "data:text/csv;")), (tag, name, value)
        assert not [name for name in attributes if name.startswith("on")]


def test_the_page_carries_the_notices_of_its_programs(html: str) -> None:
    text = Page(html).text
    for owner in ("Interactive Data Lab", "Mike Bostock", "Mapbox", "Joachim Wester"):
        assert owner in text
    for licence in (
        "Redistributions in binary form",
        "this permission notice appear",
        "sublicense",
    ):
        assert licence in text


def _rename(folder: Path, classes: list[str]) -> None:
    path = folder / "data/data.json"
    write_json(path, read_json(path) | {"classes": classes, "source": HOSTILE[0]})


def test_hostile_names_stay_text(copy: Path) -> None:
    _rename(copy, HOSTILE)
    found = Page(report.page(copy, EXPERIMENT))
    assert len(found.scripts) == 1
    assert not [a for tag, a in found.tags if tag == "img" and "onerror" in a]
    for name in HOSTILE:
        assert " ".join(name.split()) in found.words


def test_classes_of_one_name_are_told_apart(copy: Path) -> None:
    _rename(copy, ["cat", "cat", "dog"])
    words = Page(report.page(copy, EXPERIMENT)).words
    assert "cat (0)" in words and "cat (1)" in words and "dog (2)" not in words


LACKING = {  # in this order, each besides those before it
    "final/metrics.json": "The network has not been tested yet",
    "final": "The final training has not finished",
    "search/summary.json": "So far",
    "search/round_2": "after round 1",
    "search": "No round has finished",
    "pretrain": "Nothing has finished yet",
}


def test_what_is_missing_makes_the_page_shorter_and_is_said(copy: Path) -> None:
    alone = EXPERIMENT | {"algorithms": ["nasgd"]}
    length = len(report.page(copy, alone))
    for part, words in LACKING.items():
        path = copy / "nasgd/seed_0" / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        html = report.page(copy, alone)
        assert words in Page(html).words and "Not finished" in Page(html).words
        assert len(html) < length, part
        length = len(html)


def test_results_of_an_earlier_nasflow_have_a_page_without_predictions() -> None:
    words = Page(report.page(GOLDEN, None)).words
    assert "older than the table of predictions" in words
    assert "do not say which machine" in words


def test_without_a_configuration_the_page_says_what_it_lacks(tiny: Path) -> None:
    found = Page(report.page(tiny, None))
    assert "which does not hold the configuration" in found.words
    names = list(found.blocks["figures"]["figures"])
    assert names
    assert not [name for name in names if "free_energy" in name]


def test_the_configuration_that_is_told_makes_the_experiment_again(html: str) -> None:
    from nasflow.config.files import experiment

    code = re.findall(r"<pre><code>(.*?)</code></pre>", html, re.DOTALL)[0]
    told = Page(code).text
    differing = report.yaml.safe_load(told)
    default = report.yaml.safe_load(report.DEFAULT.read_text())
    from nasflow.config.compare import merged

    again = experiment([], merged(default, differing))
    skipped = ("device", "deterministic", "threads", "tracking")
    said = json.loads(json.dumps(plain(again)))
    assert {name: said[name] for name in said if name not in skipped} == {
        name: value for name, value in EXPERIMENT.items() if name not in skipped
    }


def test_damaged_records_make_no_page(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "nasgd/seed_0/search/round_1/particles.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")
    with pytest.raises(CorruptFile, match=r"particles\.parquet"):
        report.page(copy, EXPERIMENT)
    assert __main__.main(["report", str(copy)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_without_results_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(["report", str(tmp_path)]) == 2
    assert "no results there" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_a_reader_clicks_through_it(
    width: int, scheme: str, browser: Any, html: str, tmp_path: Path
) -> None:
    """Every chart is drawn at any width and in both colours, without an error or a request."""
    file = tmp_path / "report.html"
    file.write_text(html)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    view = context.new_page()
    heard = listened(view)
    view.goto(file.as_uri())
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(18, 22, 29)" if scheme == "dark" else "rgb(246, 247, 249)"
    )
    for search in ("nash-0", "nasgd-0"):
        view.select_option("#chooser", search)
        assert view.locator("article:not([hidden])").get_attribute("id") == search
        view.evaluate(
            "document.querySelectorAll('article:not([hidden]) details').forEach(d => d.open = true)"
        )
        plots = view.locator(f"article#{search} .plot, #searches .plot").all()
        assert plots
        for plot in plots:
            plot.scroll_into_view_if_needed()
            plot.locator("canvas").wait_for(timeout=20_000)
        assert view.evaluate("document.documentElement.scrollWidth") <= width
    button = view.locator("#nasgd-0-round-1 .legend button").nth(2)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    focused = (
        "[...nasflow.views].filter(([e]) => e.dataset.figure == 'nasgd-0-1-shares')"
        ".map(([e, view]) => view.signal('focus'))"
    )
    assert view.evaluate(focused) == [button.get_attribute("data-child")]
    view.locator("nav a", has_text="Costs").click()
    assert view.evaluate("location.hash") == "#nasgd-0-costs"
    view.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    view.wait_for_function("nasflow.views.size > 5")
    assert view.evaluate("nasflow.failed") == [] and heard == []
    context.close()


def test_hostile_names_do_nothing_in_a_browser(browser: Any, copy: Path) -> None:
    _rename(copy, HOSTILE)
    (copy / "report.html").write_text(report.page(copy, EXPERIMENT))
    view = browser.new_page()
    heard = listened(view)
    view.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    view.goto((copy / "report.html").as_uri())
    plot = view.locator('[data-figure="nasgd-0-confusion"]')
    plot.scroll_into_view_if_needed()
    plot.locator("canvas").wait_for(timeout=20_000)
    assert heard == []
    view.close()
