"""What a person sees in MLflow: a real search's pages in a browser, its network out of the
registry."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import tree

from nasflow.data.image_facts import facts_of
from nasflow.deployment.deployable import Deployable
from nasflow.stages import training
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.tracking import mirror, server, serving

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A finished search of one round beside its mirror, and the run of each stage."""
    results = tmp_path_factory.mktemp("mirrored") / "results"
    tree.finished(results / "tiny", rounds=1)
    assert mirrors(results) == {"logged": 3}
    runs = mirror._client(uri(results)).search_runs(["1"])
    return results, {run.data.tags["nasflow.key"].split("/")[-1]: run.info.run_id for run in runs}


def mirrors(results: Path) -> Counter[str]:
    """Mirror the results, and count the stages that are logged, unchanged or pending.

    This runs in a process of its own: torch exports no network where one has been trained.
    """
    command = [sys.executable, "-m", "nasflow", "track", "--all", str(results)]
    done = subprocess.run([*command, "--uri", uri(results)], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("nasflow:")]
    return Counter(line.split()[0] for line in lines)


def uri(results: Path) -> str:
    return f"sqlite:///{results / 'mlflow.db'}"


@pytest.fixture(scope="module")
def address(mirrored: tuple[Path, dict[str, str]]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from nasflow.tracking import serving as t; t.serve(sys.argv[1], port="
    command = [sys.executable, "-c", f"{code}{port})", uri(mirrored[0])]
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            if server.absence(url) is None:
                break
            time.sleep(0.1)
        yield url
        process.terminate()


def versions(results: Path) -> list[Any]:
    found = mirror._client(uri(results)).search_model_versions("name = 'tiny'")
    return sorted(found, key=lambda version: int(version.version))


def test_a_search_is_one_version_however_often_it_is_mirrored(
    mirrored: tuple[Path, dict[str, str]],
) -> None:
    results, ids = mirrored
    assert mirrors(results) == {"unchanged": 3}
    (version,) = versions(results)
    assert version.run_id == ids["seed_0"]
    assert "test accuracy" in version.description
    assert "models:/tiny@nasgd-seed-0" in version.description
    client = mirror._client(uri(results))
    assert client.get_model_version_by_alias("tiny", "nasgd-seed-0").version == version.version


def test_the_registered_network_computes_what_the_checkpoint_does(
    mirrored: tuple[Path, dict[str, str]], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    stem = mirrored[0] / "tiny/nasgd/seed_0/final/network"
    module = Deployable(read_checkpoint(stem).network, facts_of(stem))
    where = "models:/tiny@nasgd-seed-0"
    for count in (1, 5):
        images = module.example(count, seed=count)
        expected = module(images).detach()
        loaded = mlflow.pytorch.load_model(where)(images)
        assert torch.allclose(loaded, expected, atol=1e-6)
        answers = mlflow.pyfunc.load_model(where).predict(images.numpy())
        assert torch.allclose(torch.as_tensor(answers), expected, atol=1e-6)
    facts = mlflow.models.get_model_info(where)
    assert facts.metadata == {"classes": ["a", "b", "c"]}
    assert [one.shape for one in facts.signature.inputs.inputs] == [(-1, 1, 8, 8)]
    assert facts.saved_input_example_info is not None


def test_a_network_trained_anew_is_a_new_version_and_the_alias_follows(
    mirrored: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(mirrored[0], results)
    search = results / "tiny/nasgd/seed_0"
    training.final_train(
        config='{"final": {"epochs": 1.0, "batch_size": 8}}',
        data=results / "tiny/data",
        parent=search / "search/winner",
        seed=1,
        out=search / "final/network",
        device="cpu",
        threads=1,
    )
    assert mirrors(results) == {"logged": 2, "unchanged": 1}  # the run of the search, the network
    first, second = versions(results)
    assert first.tags["nasflow.digest"] != second.tags["nasflow.digest"]
    client = mirror._client(uri(results))
    assert client.get_model_version_by_alias("tiny", "nasgd-seed-0").version == second.version


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_pages_show_the_search_its_round_and_its_network(
    mirrored: tuple[Path, dict[str, str]], address: str
) -> None:
    """A person goes from the experiment to a search, its round, its charts, and the registered
    model."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    ids = mirrored[1]
    with api.sync_playwright() as started:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox", "--disable-gpu"]}
        page = started.chromium.launch(**options).new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        (told,) = serving.pages(mirrored[0] / "mlflow.db", address)
        page.goto(told[1])
        page.get_by_role("link", name="nasgd seed 0").click()
        page.get_by_text("test accuracy with").wait_for()
        if (more := page.get_by_text("Show more")).count():  # of a longer description
            more.first.click()
        first = page.locator(f"a[href$='{ids['round_1']}']").first  # in the table of rounds
        with page.context.expect_page() as opened:
            first.click()
        page = opened.value
        page.get_by_text("Ended by").wait_for()
        page.wait_for_function(  # MLflow keeps no alternative text
            "[...document.images].some("
            "i => i.src.includes('particle%20shares') && i.naturalWidth > 300)"
        )
        page.goto(f"{address}/#/experiments/1/runs/{ids['round_1']}/model-metrics")
        page.get_by_text("charts/particle shares").wait_for()
        page.wait_for_function("[...document.images].filter(i => i.naturalWidth > 200).length >= 4")
        page.goto(f"{address}/#/experiments/1/runs/{ids['final']}/artifacts")
        page.get_by_text("architecture.svg").wait_for()
        page.goto(f"{address}/#/models/tiny/versions/1")
        page.get_by_text("nasgd-seed-0").first.wait_for()
        page.get_by_text("probabilities = model(images)").wait_for()
