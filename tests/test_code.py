"""The code as code: format, lint, types, layers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    [
        "sections",
        "search_config",
        "baselines_config",
        "compare_config",
        "config",
        "randomness",
        "node",
        "architecture",
        "rails",
        "difference",
        "diagram",
        "ageing",
        "flow",
        "news",
        "ideal",
        "average",
        "scaling",
        "particles",
        "published",
        "schedule",
        "plan",
        "simulation",
        "landscape",
        "landscape_baselines",
        "landscape_flow",
        "nasbench201",
        "kernels",
        "heap",
        "machines",
    ],
    [
        "rectified",
        "ranks",
        "captured",
        "memory",
        "network",
        "deployable",
        "rewrite",
        "channels",
        "morphisms",
        "neighbourhood",
        "proposal",
        "torch_module",
        "optim",
        "batches",
    ],
    [
        "sibling",
        "siblings",
        "deaths",
        "predictions",
        "offspring",
        "snapshot",
        "pace",
        "speed",
        "train",
        "allowance",
        "history",
        "setting",
        "children",
        "search",
        "baselines",
        "selection",
    ],
    [
        "files",
        "config_file",
        "image_facts",
        "checkpoint",
        "records",
        "splits",
        "split_file",
        "listing",
        "inventory",
        "recalls",
        "progress",
        "summary",
        "status",
        "pictures",
        "encoded",
        "lock",
        "interruption",
        "generations",
        "surroundings",
        "attempt",
    ],
    [
        "image_sources",
        "datasets",
        "curves",
        "story",
        "timeline",
        "charts",
        "round_curves",
        "round_charts",
        "search_charts",
        "verify",
        "resume",
        "in_memory",
        "shown",
        "terminal",
        "show_network",
        "show_search",
        "show",
        "survey",
        "sizing",
        "choices",
        "experiment_files",
        "init",
        "predict",
        "standalone",
        "export",
    ],
    [
        "waiting",
        "tracking_server",
        "tracking_source",
        "tracking_pictures",
        "tracking_notes",
        "tracking_model",
        "tracking",
        "mirror",
    ],
    [
        "anytime",
        "intervals",
        "comparison",
        "comparison_figures",
        "comparison_report",
        "checklist",
        "comparing",
        "mistakes",
        "ledger",
        "trust",
        "page",
        "chapter",
        "report",
    ],
    ["stages", "launch", "commands", "arguments", "__main__"],
]
COMMANDS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "snakefmt": ["snakefmt", "--check", "Snakefile", "workflow"],
    "snakemake --lint": ["snakemake", "--lint"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_tool_is_content(name: str) -> None:
    command, *rest = COMMANDS[name]
    program = str(Path(sys.executable).with_name(command))
    done = subprocess.run([program, *rest], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nasflow"):
            parts = node.module.split(".") if node.module else []
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return names


def test_imports_only_go_down() -> None:
    layer = {name: i for i, names in enumerate(LAYERS) for name in names}
    files = {p.stem: p for p in (ROOT / "nasflow").glob("*.py") if p.stem != "__init__"}
    assert set(files) == set(layer), "every module has its layer"
    for name, path in files.items():
        above = [other for other in _imports(path) if layer.get(other, -1) > layer[name]]
        assert not above, f"{name} imports {above}"


def test_only_one_module_imports_mlflow_and_none_unpickles() -> None:
    text = {p.name: p.read_text() for p in (ROOT / "nasflow").glob("*.py")}
    assert not [n for n, t in text.items() if "torch.load(" in t or "import pickle" in t]
    assert not [n for n, t in text.items() if "import torchvision" in t and n != "image_sources.py"]
