"""Configuration files: what is wrong with their text, and which experiment they describe.

`nasflow check FILE ...` prints one line for each problem. It also looks at the pictures
(`nasflow.command.checking`). The workflow makes the same checks of the files after Snakemake has
read them. A file that Snakemake cannot read makes Snakemake itself end, with exit code 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nasflow.config.compare import merged
from nasflow.config.experiment import Experiment
from nasflow.config.options import source, typed
from nasflow.config.reading import ConfigError, parse
from nasflow.place import root
from nasflow.printable import printable, shown

DEFAULT = root() / "config" / "config.yaml"
CHECKPOINT = (".architecture.json", ".safetensors", ".json")
LARGEST = 1_000_000  # the most bytes of a file
MOST = 100_000  # the most values of a file, after each alias is replaced by what it stands for
DIGITS = 400  # the most digits of a number
PLAIN = "tag:yaml.org,2002:"
KINDS = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}


def check(*, files: Sequence[Path]) -> None:
    """Check files as Snakemake would read them with `--configfile FILE ...`, and print the result.

    Args:
        files: YAML or JSON files; later ones override earlier ones, and all override the defaults.

    Raises:
        ConfigError: if there is a problem; its text has one line for each of them.
    """
    accept(files, read(files))


def read(files: Sequence[Path]) -> Experiment:
    """Read files as Snakemake would read them with `--configfile FILE ...`.

    Args:
        files: YAML or JSON files; later ones override earlier ones, and all override the defaults.

    Raises:
        ConfigError: if there is a problem; its text has one line for each of them.
    """
    together: dict[str, Any] = {}
    every = [DEFAULT, *files] if DEFAULT.exists() else files
    _refuse(every)
    for file in every:
        together = merged(together, _load(file))
    return experiment(every, together)


def accept(files: Sequence[Path], found: Experiment) -> None:
    """Print that the files have no problem."""
    print(f"{', '.join(map(str, files))}: no problem found, experiment {found.experiment}")


def experiment(
    files: Sequence[Path], config: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Experiment:
    """Build the experiment that a merged configuration describes.

    Args:
        files: the files of the configuration, whose text is checked first.
        config: the values of all files together.
        given: what Snakemake's option `--config` gives; it is laid over the files.

    Returns:
        The experiment.

    Raises:
        ConfigError: if there is a problem; its text has one line for each, with the names of the
            files, or with `--config` where the value stands there. A file that the configuration
            names and that is missing is a problem, too.
    """
    _refuse(files)
    options = typed(given or {})
    try:
        result = parse(Experiment, merged(config, options))
        _check_named_files(result)
        _check_teacher(result)
    except ConfigError as error:
        names = ", ".join(printable(str(file)) for file in files)
        lines = (f"{source(line, options) or names}: {line}" for line in _lines(error))
        raise ConfigError("\n".join(lines)) from error
    return result


def _check_named_files(result: Experiment) -> None:
    """Raise ConfigError where the network or the split that a configuration names is not usable.

    It must be there, and it must not be a file that the experiment writes itself, also where a link
    leads there: a stage would replace its own input.
    """
    network = result.base.network
    missing = [network + end for end in CHECKPOINT if network and not Path(network + end).exists()]
    if missing:
        raise ConfigError(
            f"base.network: {printable(str(network))}; no checkpoint there,"
            f" {printable(missing[0])} is missing"
        )
    split = result.data.split
    if split is not None and not Path(split).is_file():
        raise ConfigError(
            f"data.split: {printable(split)}; no file there, expected a CSV such as"
            " results/digits/data/split.csv"
        )
    own = Path("results") / result.experiment
    for key, path, folder in (("data.split", split, own / "data"), ("base.network", network, own)):
        if path and Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents:
            raise ConfigError(
                f"{key}: {printable(path)}; a file that experiment {result.experiment}"
                " writes itself; expected one of another experiment, or a copy elsewhere"
            )


def _check_teacher(result: Experiment) -> None:
    """Raise ConfigError where a final training shall learn from a network that is not there."""
    final = result.final
    if final.distillation and final.front == 1:
        raise ConfigError(
            f"final.distillation: {final.distillation:g}; expected 0 with final.front: 1, which has"
            " no other network that could teach; set final.front to 2 or more"
        )


def problems(file: Path) -> list[str]:
    """List what is wrong with the text of a file, in one line for each problem.

    Only the form of the text is checked. Whether its keys and values are legal is not.

    Args:
        file: the path of the file, which need not exist.

    Returns:
        The problems, without the name of the file; an empty list if there are none.
    """
    text, problem = _text(file)
    return [problem] if problem else _problems_of(text)


def _text(file: Path) -> tuple[str, str]:
    """Return the text of a file and "", or "" and why it cannot be read."""
    try:
        if not file.is_file():
            return "", f"{_kind(file)}; expected a YAML file"
        if file.stat().st_size > LARGEST:
            return "", f"{file.stat().st_size} bytes; expected at most {LARGEST}"
        return file.read_text("utf-8-sig"), ""
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start}; save it as UTF-8"


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "not a regular file" if path.exists() else "missing"


def _problems_of(text: str) -> list[str]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return [] if _is_json(text) else [_unreadable(error)]
    except RecursionError:
        return ["nested too deeply; expected sections and keys"]
    if root is None:
        return ["empty; expected a mapping of keys"]
    if not isinstance(root, yaml.MappingNode):
        return [f"{KINDS[type(root)]}; expected a mapping of keys"]
    if (count := _unfolded(root, {})) > MOST:
        return [f"{count:.0f} values once its aliases are unfolded; expected at most {MOST}"]
    return list(_misread(root, "", set()))


def _load(file: Path) -> Mapping[str, Any]:
    """Read a file in which `problems` found none, as JSON or YAML, like Snakemake does."""
    text = file.read_text("utf-8-sig")
    try:
        loaded: Mapping[str, Any] = json.loads(text) if _is_json(text) else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # for instance a date in a 13th month
        problem = printable(" ".join(str(error).split()))
        raise ConfigError(f"{printable(str(file))}: not readable, {problem}") from error
    return loaded


def _refuse(files: Sequence[Path]) -> None:
    """Raise ConfigError with the problems of all files, if there are any."""
    found = [
        f"{printable(str(file))}: {problem}" for file in files for problem in problems(Path(file))
    ]
    if found:
        raise ConfigError("\n".join(found))


def _lines(error: Exception) -> list[str]:
    return str(error).split("\n")


def _is_json(text: str) -> bool:
    """Return whether a text is a mapping in JSON, which may hold tabs where YAML may not."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _unreadable(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"not YAML: {printable(' '.join(str(error).split()))}"
    problem = printable(str(getattr(error, "problem", "")))
    remedy = "; indent with spaces" if "\\t" in problem else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: not YAML, {problem}{remedy}"


def _unfolded(node: yaml.Node, known: dict[int, float]) -> float:
    """Count the values under a node, each alias counted as what it stands for.

    The count is inf where an alias contains itself. `known` keeps the counts of earlier nodes.
    """
    if id(node) not in known:
        known[id(node)] = float("inf")
        known[id(node)] = 1.0 + sum(_unfolded(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _misread(node: yaml.Node, where: str, seen: set[int]) -> Iterator[str]:
    """Yield the problems that can no longer be seen after YAML has turned the text into values.

    They are tags, code to run, keys that stand twice, and numbers such as 010, which YAML reads as
    8, and 1:30, which it reads as 90. `where` is the path of the node, such as `search.beta`.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if not node.tag.startswith(PLAIN) or node.tag.startswith(f"{PLAIN}python/"):
        yield f"{where}: tag {printable(node.tag)} in line {line}; expected plain values"
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _misread(item, where, seen)
    elif isinstance(node, yaml.MappingNode):
        yield from _misread_mapping(node, where, seen)
    elif isinstance(node, yaml.ScalarNode) and node.tag == f"{PLAIN}int" and not node.style:
        yield from _misread_number(node.value, where)


def _misread_number(text: str, where: str) -> Iterator[str]:
    digits = text.lstrip("+-")
    if len(digits) > DIGITS:
        yield f"{where}: a number of {len(digits)} digits; expected at most {DIGITS}"
    elif ":" in digits or (digits.startswith("0") and digits != "0"):
        found = shown(yaml.safe_load(text))
        yield f"{where}: {text:.60}; YAML reads it as {found}, write the number that is meant"


def _misread_mapping(node: yaml.MappingNode, where: str, seen: set[int]) -> Iterator[str]:
    lines: dict[str, int] = {}
    for name, value in node.value:
        key = printable(str(name.value)) if isinstance(name, yaml.ScalarNode) else "?"
        inner, line = f"{where}.{key}" if where else key, name.start_mark.line + 1
        if key == "?":
            yield f"{where or 'config'}: a list or mapping as key in line {line}; expected a name"
        if key == "__use_yte__":
            yield f"{inner}: makes Snakemake run Python that stands in the file; remove it"
        if key in lines:
            yield f"{inner}: stands twice, in lines {lines[key]} and {line}"
        lines[key] = line
        yield from _misread(value, inner, seen)
