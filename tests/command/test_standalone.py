"""Generated code computes what the network computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cases
import pytest
import torch
from cases import facts
from safetensors.torch import save_file

import nasflow
from nasflow.command import standalone
from nasflow.deployment.deployable import Deployable


@pytest.mark.parametrize("probabilities", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_generated_code_is_the_network_whatever_its_graph(
    seed: int, probabilities: bool, tmp_path: Path
) -> None:
    network = cases.network(seed, 9) if seed % 2 else cases.varied(seed)
    if "add_stage" in nasflow.sites(network.architecture):
        network = nasflow.morph(network, "add_stage")
    deployable = Deployable(network, facts(network), probabilities=probabilities)
    text = standalone.source(deployable)
    space: dict[str, Any] = {"__file__": str(tmp_path / "model.py")}
    exec(compile(text, "model.py", "exec"), space)
    save_file(deployable.state_dict(), tmp_path / "model.safetensors")
    images = deployable.example(4, integers=True)
    model = space["load"]()
    with torch.no_grad():
        torch.testing.assert_close(model(images), deployable(images))
        torch.testing.assert_close(model(images.float() / 255.0), deployable(images))
    assert max(map(len, text.splitlines())) <= 100 and model.classes == deployable.classes


def test_class_names_cannot_leave_their_literals() -> None:
    network = cases.network(1, 0)
    names = ['"""', "'''", "\\", "a\nimport os", "{classes}"]
    text = standalone.source(Deployable(network, facts(network) | {"classes": names}))
    space: dict[str, Any] = {"__file__": "model.py"}
    exec(compile(text, "model.py", "exec"), space)
    assert space["CLASSES"] == tuple(names)
