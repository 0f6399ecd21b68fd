"""Errors of a GPU become one line where a user can do something, and stay errors elsewhere."""

from __future__ import annotations

import pytest
import torch

from nasflow.__main__ import main
from nasflow.stages import training
from nasflow.training.cuda_errors import explained

AFTER = "\nCUDA kernel errors might be asynchronously reported at some other API call"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "CUDA error: no kernel image is available for execution on the device" + AFTER,
            "install a torch that was built for it",
        ),
        (
            "The NVIDIA driver on your system is too old (found version 11040). Please update",
            "update the driver",
        ),
        ("CUDA driver version is insufficient for CUDA runtime version", "update the driver"),
        ("Found no NVIDIA driver on your system. Please check", "set device: cpu"),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "device: cuda:N"),
        ("CUDA error: all CUDA-capable devices are busy or unavailable" + AFTER, "device: cuda:N"),
        ("CUDA error: uncorrectable ECC error encountered" + AFTER, "another GPU"),
        (
            "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but",
            "set deterministic: false",
        ),
        ("CUDA error: device-side assert triggered" + AFTER, None),
        ("CUDA error: an illegal memory access was encountered" + AFTER, None),
    ],
)
def test_what_a_user_can_do_stands_in_one_line(said: str, remedy: str | None) -> None:
    line = explained(torch.AcceleratorError(said))
    assert (line is None) == (remedy is None)
    if line is not None and remedy is not None:
        assert remedy in line and said.splitlines()[0] in line and "\n" not in line
    assert explained(ValueError(said)) is None


def test_a_stage_ends_with_this_line_and_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["CUDA error: no kernel image is available for execution on the device" + AFTER]

    def fail(config: str) -> None:
        try:
            raise torch.AcceleratorError(said[0])
        except RuntimeError:
            raise RuntimeError("CUDA error: operation failed due to a previous error")  # noqa: B904

    monkeypatch.setattr(training, "pretrain", lambda **given: fail(given["config"]))
    given = {"config": "{}", "algorithm": "nasgd", "data": "d", "seed": "1", "out": "o"}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert main(["pretrain", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nasflow: pretrain: torch ") and len(error.splitlines()) == 1
    said[0] = "CUDA error: device-side assert triggered"
    with pytest.raises(RuntimeError, match="previous error"):
        main(["pretrain", *words])
