"""The code as code: format, lint, types, the order of the rooms, and a test for every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from places import ROOT, TESTS

# From the ground to the face. A room imports from itself and from rooms that stand before it.
ROOMS = [
    "version",
    "randomness",
    "printable",
    "place",
    "config",
    "particles",
    "architecture",
    "kernels",
    "network",
    "deployment",
    "training",
    "search",
    "storage",
    "data",
    "planning",
    "studies",
    "records",
    "charts",
    "comparison",
    "report",
    "tracking",
    "fitting",
    "command",
    "stages",
    "flow",
    "schedule",
    "__main__",
    "__init__",
]
LEAVES = {"comparison", "report", "tracking", "command"}  # none of these imports another
# Modules without a file of their own under tests/<room>/, and the file whose tests run them.
COVERED_BY = {
    "__main__": "system/test_command_line.py",
    "architecture.architecture": "network/test_morphisms.py",
    "architecture.difference": "architecture/test_diagram.py",
    "architecture.fingerprint": "architecture/test_diagram.py",
    "architecture.segments": "architecture/test_architecture_file.py",
    "command.command": "command/test_commands.py",
    "command.formats": "command/test_export.py",
    "command.pick_arguments": "command/test_pick.py",
    "command.show_network": "command/test_show.py",
    "command.show_search": "command/test_show.py",
    "deployment.latency_amounts": "deployment/test_latency_table.py",
    "deployment.latency_sample": "deployment/test_latency_fit.py",
    "deployment.stopwatch": "deployment/test_latency_measurement.py",
    "planning.speed": "command/test_init.py",
    "command.terminal": "command/test_show.py",
    "comparison.comparing": "system/test_compare_workflow.py",
    "comparison.parts": "comparison/test_page.py",
    "config.base": "config/test_experiment.py",
    "config.baselines": "config/test_experiment.py",
    "config.budget": "config/test_experiment.py",
    "config.data": "config/test_experiment.py",
    "config.files": "system/test_bad_config.py",
    "config.prune": "config/test_experiment.py",
    "config.schema": "config/test_experiment.py",
    "config.search": "config/test_experiment.py",
    "config.section": "config/test_reading.py",
    "config.training": "config/test_experiment.py",
    "config.versions": "storage/test_made.py",
    "data.labels": "data/test_image_sources.py",
    "data.listed": "data/test_image_sources.py",
    "kernels.batch_norm_kernels": "kernels/test_batch_norm.py",
    "fitting.pipeline": "command/test_fit.py",
    "flow": "system/test_library.py",
    "kernels.line": "kernels/test_batch_norm.py",
    "kernels.rows": "kernels/test_batch_norm.py",
    "network.channels": "network/test_morphisms.py",
    "network.depth": "network/test_morphisms.py",
    "network.heads": "network/test_stages.py",
    "network.importance": "network/test_removal.py",
    "network.kernel_size": "network/test_morphisms.py",
    "network.morphism": "network/test_morphisms.py",
    "network.pools": "network/test_morphisms.py",
    "network.rewrite": "network/test_morphisms.py",
    "network.skips": "network/test_morphisms.py",
    "network.width": "network/test_morphisms.py",
    "particles.dynamics": "particles/test_ideal.py",
    "place": "system/test_wheel.py",
    "printable": "system/test_bad_config.py",
    "randomness": "data/test_datasets.py",
    "records.findings": "records/test_verify.py",
    "records.round_files": "records/test_verify.py",
    "records.search_files": "records/test_verify.py",
    "records.stage_files": "records/test_verify.py",
    "records.summaries": "command/test_show.py",
    "records.timeline": "report/test_page.py",
    "report.chapter": "report/test_page.py",
    "report.mistakes": "report/test_page.py",
    "report.parts": "report/test_page.py",
    "schedule": "system/test_library.py",
    "search.history": "stages/test_rounds.py",
    "search.round": "search/test_particle_round.py",
    "search.round_course": "search/test_particle_round.py",
    "stages.arrays": "stages/test_in_memory.py",
    "stages.launch": "training/test_ranks.py",
    "stages.round_task": "stages/test_rounds.py",
    "stages.pages": "report/test_page.py",
    "stages.selecting": "system/test_command_line.py",
    "stages.stage_inputs": "system/test_bad_config.py",
    "stages.suites": "system/test_suite_workflow.py",
    "storage.front_shapes": "stages/test_front_measures.py",
    "storage.record": "system/test_foreign_records.py",
    "storage.shapes": "system/test_foreign_records.py",
    "storage.values": "system/test_foreign_records.py",
    "storage.tensor_file": "system/test_foreign_records.py",
    "storage.resume": "system/test_resume_workflow.py",
    "tracking.artifacts": "tracking/test_mirror.py",
    "tracking.notes": "tracking/test_pictures.py",
    "tracking.runs": "tracking/test_mirror.py",
    "tracking.search_run": "tracking/test_mirror.py",
    "training.launched": "training/test_siblings.py",
    "training.local_siblings": "training/test_siblings.py",
    "training.score": "training/test_evaluation.py",
    "training.sibling": "training/test_siblings.py",
    "training.snapshot": "storage/test_generations.py",
    "tracking.run_list": "tracking/test_mirror.py",
    "tracking.used": "tracking/test_mirror.py",
    "training.training_course": "training/test_train.py",
    "version": "command/test_arguments.py",
}
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
    """The files of the package by their names in it, such as `report.page` or `report.__init__`."""
    package = ROOT / "nasflow"
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in package.rglob("*.py")
    }


MODULES = _modules()


def _imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {name.removeprefix("nasflow").strip(".") for name in found if _is_ours(name)}
    return {_module(name) for name in names}


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "nasflow"


def _module(name: str) -> str:
    """The module that holds a name: `report.page` for `report.page.page`."""
    parts = name.split(".") if name else []
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in MODULES:
            return module
        if f"{module}.__init__" in MODULES:
            return f"{module}.__init__"
    return "__init__"


IMPORTS = {name: _imports(path) - {name} for name, path in MODULES.items()}


def test_every_file_stands_in_a_room() -> None:
    assert {_room(name) for name in MODULES} == set(ROOMS)
    assert sum(len(found) for found in IMPORTS.values()) > 300, "imports are seen"


def test_imports_only_go_down() -> None:
    floor = {room: i for i, room in enumerate(ROOMS)}
    climbs = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others
        if floor[_room(other)] > floor[_room(name)]
    ]
    assert not climbs


def test_leaves_do_not_import_one_another() -> None:
    assert set(ROOMS) >= LEAVES
    crossings = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others
        if {_room(name), _room(other)} <= LEAVES and _room(name) != _room(other)
    ]
    assert not crossings


def test_files_form_no_circle() -> None:
    assert _circle(IMPORTS) is None
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None, "a circle is found"


def test_every_module_has_its_tests_in_its_room_or_in_the_table() -> None:
    modules = {name for name in MODULES if not name.endswith("__init__")}
    alone = {name for name in modules if _tests_of(name).is_file()}
    assert len(alone) > 60
    assert modules - alone == set(COVERED_BY), "the table lists the other modules and no more"
    assert not [path for path in COVERED_BY.values() if not (TESTS / path).is_file()]


def test_every_test_file_of_a_room_names_a_module() -> None:
    files = [path for path in TESTS.glob("*/test_*.py") if path.parent.name != "system"]
    assert len(files) > 60
    names = {f"{path.parent.name}.{path.stem.removeprefix('test_')}" for path in files}
    assert names <= set(MODULES)
    assert not list(TESTS.glob("test_*.py")), "a test stands in a room or in system/"


def _tests_of(name: str) -> Path:
    """The file for the tests of a module: training/test_train.py for training.train."""
    *room, module = name.split(".")
    return TESTS.joinpath(*room, f"test_{module}.py")


def test_options_below_the_stages_are_typed() -> None:
    """A section of the configuration is passed on as its model, never as a dictionary."""
    core = {"particles", "architecture", "kernels", "network", "training", "search", "studies"}
    files = [path for name, path in MODULES.items() if _room(name) in core]
    assert len(files) > 50
    assert not [path.name for path in files if "dict[str, Any]" in path.read_text()]


def test_functions_and_files_stay_short() -> None:
    """Most functions have at most 25 lines of code, and none has more than 50 lines in all."""
    kernels = {"kernels.batch_norm_kernels", "kernels.max_pool", "kernels.mixing"}
    whole, code = {}, []
    for name, path in MODULES.items():
        text = path.read_text()
        assert len(text.splitlines()) <= 300, f"{name} is about more than one noun"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and name not in kernels:
                whole[f"{name}.{node.name}"] = _lines(node)
                body = node.body[1:] if ast.get_docstring(node) else node.body
                code.append(sum(_lines(statement) for statement in body))
    assert len(code) > 1000
    assert not {name: lines for name, lines in whole.items() if lines > 50}
    assert sum(lines <= 25 for lines in code) > 0.98 * len(code)


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_a_room_says_what_it_is() -> None:
    rooms = [name for name in MODULES if name.endswith(".__init__")]
    assert rooms
    for name in rooms:
        sentences = (ast.get_docstring(ast.parse(MODULES[name].read_text())) or "").count(".\n")
        assert sentences >= 2, f"{name} says what lives there, what it imports and what it offers"


def _room(name: str) -> str:
    return name.split(".")[0]


def _circle(imports: Mapping[str, set[str]]) -> list[str] | None:
    """Modules that import one another in a circle, or None."""
    try:
        list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        return list(error.args[1])
    return None


def test_only_the_mirror_imports_mlflow() -> None:
    users = {name for name in MODULES if "mlflow" in _foreign(name)}
    assert users
    assert {_room(name) for name in users} == {"tracking"}


def test_only_the_image_sources_import_torchvision() -> None:
    assert [n for n in MODULES if "torchvision" in _foreign(n)] == ["data.image_sources"]


def test_nothing_is_unpickled() -> None:
    assert "torch" in _foreign("training.siblings"), "imports are seen"
    assert not [name for name in MODULES if "pickle" in _foreign(name)]
    assert not [name for name, path in MODULES.items() if "torch.load(" in path.read_text()]


def _foreign(name: str) -> set[str]:
    """The packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
