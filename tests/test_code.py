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
        "command.rails",
        "report.difference",
        "report.diagram",
        "ageing",
        "flow",
        "news",
        "ideal",
        "average",
        "scaling",
        "particles",
        "comparison.published",
        "schedule",
        "plan",
        "landscape.simulation",
        "landscape.table",
        "landscape.searches",
        "landscape.particle_search",
        "landscape.nasbench201",
        "maps",
        "heap",
        "machines",
    ],
    ["kernels"],
    [
        "workers",
        "rectified",
        "global_average",
        "max_pool",
        "mixing",
        "shares",
        "ranks",
        "captured",
        "memory",
        "network",
        "command.deployable",
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
        "data.predictions",
        "report.offspring",
        "storage.snapshot",
        "pace",
        "command.speed",
        "train",
        "allowance",
        "history",
        "setting",
        "children",
        "search",
        "rung",
        "baselines",
        "selection",
    ],
    [
        "storage.files",
        "config_file",
        "data.image_facts",
        "storage.manifest",
        "storage.checkpoint",
        "storage.records",
        "data.splits",
        "data.split_file",
        "data.listing",
        "data.inventory",
        "data.recalls",
        "progress",
        "summary",
        "status",
        "data.pictures",
        "data.encoded",
        "storage.lock",
        "storage.interruption",
        "storage.generations",
        "storage.surroundings",
        "storage.attempt",
    ],
    [
        "data.image_sources",
        "data.datasets",
        "tracking.curves",
        "report.story",
        "report.timeline",
        "report.charts",
        "report.round_curves",
        "report.round_charts",
        "report.search_charts",
        "storage.findings",
        "storage.verify",
        "storage.resume",
        "in_memory",
        "command.shown",
        "command.terminal",
        "command.show_network",
        "command.show_search",
        "command.show",
        "command.survey",
        "command.sizing",
        "command.choices",
        "command.experiment_files",
        "command.init",
        "command.predict",
        "command.standalone",
        "command.export",
    ],
    [
        "tracking.waiting",
        "tracking.server",
        "tracking.source",
        "tracking.pictures",
        "tracking.notes",
        "tracking.model",
        "tracking.mirror",
        "tracking.command",
    ],
    [
        "comparison.anytime",
        "comparison.intervals",
        "comparison.tables",
        "comparison.figures",
        "comparison.page",
        "comparison.checklist",
        "comparison.comparing",
        "report.mistakes",
        "report.ledger",
        "report.trust",
        "report.parts",
        "report.chapter",
        "report.page",
    ],
    [
        "stages.given",
        "stages.preparation",
        "stages.training",
        "stages.rounds",
        "stages.selecting",
        "stages.evaluation",
        "stages.pages",
    ],
    ["launch", "command.commands", "command.arguments", "__main__"],
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


def _modules() -> dict[str, Path]:
    """Of the package, by their names in it, such as `report.page`."""
    package = ROOT / "nasflow"
    files = (path for path in package.rglob("*.py") if path.stem != "__init__")
    return {".".join(p.relative_to(package).with_suffix("").parts): p for p in files}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nasflow":
            module = (node.module or "").removeprefix("nasflow").strip(".")
            names |= {module} | {f"{module}.{alias.name}".strip(".") for alias in node.names}
    return names


def test_imports_only_go_down() -> None:
    layer = {name: i for i, names in enumerate(LAYERS) for name in names}
    assert set(_modules()) == set(layer), "every module has its layer"
    for name, path in _modules().items():
        above = [other for other in _imports(path) if layer.get(other, -1) > layer[name]]
        assert not above, f"{name} imports {above}"


def test_only_one_module_imports_mlflow_and_none_unpickles() -> None:
    text = {name: path.read_text() for name, path in _modules().items()}
    assert not [n for n, t in text.items() if "torch.load(" in t or "import pickle" in t]
    assert not [
        n for n, t in text.items() if "import torchvision" in t and n != "data.image_sources"
    ]
