"""The pages build without a warning, their examples run, and their lists are complete."""

from __future__ import annotations

import functools
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import configuration
import numpy as np
import pytest
import yaml
from docstrings import reformatted
from PIL import Image
from places import ROOT


def test_the_example_of_the_page_finds_what_it_says() -> None:
    page = (ROOT / "docs/theory.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], names)
    node, x = names["path"].best
    assert node == 2
    np.testing.assert_allclose(x, 2.0, atol=1e-6)


DOCS = ROOT / "docs"


EXAMPLES = ("digits_search", "particle_flow", "morph_network")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` builds them, which runs the examples."""
    folder = tmp_path_factory.mktemp("site")
    shutil.rmtree(DOCS / "examples", ignore_errors=True)  # of an example that has gone
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", folder / "trees"]
    done = subprocess.run([*command, DOCS, folder / "html"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_pages_build_without_a_warning_and_show_what_the_examples_print(site: Path) -> None:
    printed = {
        "digits_search": "test accuracy",
        "particle_flow": "of the mass",
        "morph_network": "logit",
    }
    for name in EXAMPLES:
        page = (site / f"examples/{name}.html").read_text()
        assert page.count("sphx-glr-single-img") + page.count("sphx-glr-multi-img") >= 1
        assert re.search(rf"[0-9.]+.*{printed[name]}|{printed[name]}.*[0-9.]+", page)
    assert 'class="na"' in (site / "examples/digits_search.html").read_text()


def test_the_pages_need_no_network(site: Path) -> None:
    loads = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert loads.findall('<script src="https://elsewhere/x.js">'), "such a load is found"
    found = {(p.name, url) for p in pages for url in loads.findall(p.read_text())}
    assert not found


def test_every_key_has_its_entry_in_the_reference(site: Path) -> None:
    page = (site / "configuration.html").read_text()
    keys = [
        name for name, part in configuration.schema().items() if not configuration.is_section(part)
    ]
    assert len(keys) > 100
    missing = [
        name for name in keys if f'id="key-{name.replace(".", "-").replace("_", "-")}"' not in page
    ]
    assert not missing


def test_every_symbol_is_of_a_key() -> None:
    symbols = set(yaml.safe_load((DOCS / "symbols.yaml").read_text()))
    assert symbols
    assert symbols <= set(configuration.schema())


def test_every_public_name_has_its_entry_in_the_reference(site: Path) -> None:
    import nasflow

    page = (site / "api.html").read_text()
    names = set(nasflow.__all__) - {"flow", "schedule"}
    assert len(names) > 20
    assert not {name for name in names if f'id="nasflow.{name}"' not in page}
    assert (
        'id="nasflow.particles.flow.move"' in page and 'id="nasflow.training.schedule.sgdr"' in page
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("U'(f) = f^beta, |v|^2 / 2", "U'(f) = f^beta, \\|v\\|^2 / 2"),
        ("x' = Lx * c; `a\nb` and x_ or x_g", "x' = Lx \\* c; ``a b``\\  and x\\_ or x_g"),
    ],
)
def test_docstrings_are_text_with_code(text: str, said: str) -> None:
    assert reformatted(text) == said


@pytest.mark.parametrize("name", ["morphism", "algorithm", "data_set"])
def test_what_the_pages_on_extending_show_runs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from nasflow import MORPHISMS

    before = dict(MORPHISMS)
    try:
        runpy.run_path(str(ROOT / f"examples/extend/{name}.py"), run_name="__main__")
    finally:
        MORPHISMS.clear()
        MORPHISMS.update(before)
    said = capsys.readouterr().out
    wanted = {"morphism": "widen_half", "algorithm": "recentred", "data_set": "['circle', 'cross'"}
    assert wanted[name] in said


def test_the_lines_of_the_library_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from small import SEARCH, TRAINED

    import nasflow
    from nasflow.storage.checkpoint import write_checkpoint

    rng, search = np.random.default_rng(0), nasflow.run_search
    images = rng.integers(0, 255, (80, 8, 8)).astype(np.uint8)
    labels = np.arange(80) % 3
    small = {"search": SEARCH, "pretrain": {"batch_size": 8, "epochs": 1.0}, "final": TRAINED}
    searched = functools.cache(lambda: search(images, labels, **small))
    for name in ("run_search", "fit"):
        monkeypatch.setattr(nasflow, name, lambda *_, **__: searched())
    monkeypatch.chdir(tmp_path)
    names = {"images": images, "labels": labels, "test_images": images, "test_labels": labels}
    network = nasflow.initialise(nasflow.chain((4,), 3, (1, 8, 8), 3), rng)
    write_checkpoint(tmp_path / "results/digits/nasgd/seed_0/final/network", network, 0, "sgd")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "library.md").read_text(), re.S)
    assert len(blocks) == 6
    for name in ("photo.jpg", "scan.png"):
        Image.fromarray(images[0]).save(tmp_path / name)
    for block in blocks:
        exec(block, names)
    assert len(names["brood"]) == 8 and len(names["path"].t) == 1001


def test_the_own_morphism_keeps_the_function() -> None:
    import numpy as np
    import torch

    import nasflow

    parts = runpy.run_path(str(ROOT / "examples/extend/morphism.py"))
    own = nasflow.MORPHISMS.pop("widen_half")
    g = nasflow.chain((4, 8), 3, (1, 8, 8), 3)
    network = nasflow.initialise(g, np.random.default_rng(0))
    images = torch.randn(5, 1, 8, 8)
    found = list(parts["sites"](g))
    assert found
    for site in found:
        child = own.apply(network, site, np.random.default_rng(1))
        assert child.architecture.parameters > g.parameters
        for training in (False, True):
            before, after = (nasflow.Module(n).train(training)(images) for n in (network, child))
            assert torch.allclose(before, after, atol=1e-5)
