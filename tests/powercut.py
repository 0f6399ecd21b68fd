"""Processes that end before one of their file operations, and what a power cut leaves of them.

The cut is a model, harsher than most disks. A file that no fsync followed is empty. A rename that
no fsync of its folder followed has happened or not: a draw decides.
"""

from __future__ import annotations

import json
import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "rmdir"), (os, "unlink"))


def inside(work: Callable[[], object]) -> int:
    """Fork a process that does this work and ends with 0, or with 1 after an exception; return its
    id."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()  # pytest shows it where the test fails
        finally:
            os._exit(1)
    return child


def code_of(child: int) -> int:
    """Wait for the end of a process and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(operation: int, work: Callable[[], None], journal: Journal | None = None) -> bool:
    """Do the work in a child process that ends just before its file operation of this number.

    No `finally` runs in it. Returns False where the work has fewer operations.
    """
    count = iter(range(1, 10**6))

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(count) == operation:
                os._exit(9)
            if journal is None:
                return real(*arguments, **options)
            return journal.note(name, real, *arguments, **options)

        return call

    def all_of_it() -> None:
        for module, name in OPERATIONS:
            setattr(module, name, dying(name, getattr(module, name)))
        work()

    code = code_of(inside(all_of_it))
    assert code in (0, 9)
    return code == 9


class Journal:
    """The disk under `tree`, as the operations of a child process leave it.

    Args:
        tree: the folder in which the child works.
        folder: where the journal is kept; it lies on the same file system, outside `tree`.
        forgets: the fsyncs that the child only pretends to do, those of `files` or of `folders`.
    """

    def __init__(self, tree: Path, folder: Path, forgets: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True)
        self._tree, self._folder, self._forgets = tree, folder, forgets
        self._lines = folder / "lines"
        self._lines.touch()
        self._before = {path.stat().st_ino for path in self._files()}
        self._link = os.link

    def note(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Do an operation in the child, and write it down."""
        if name == "fsync":
            is_folder = stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            if ("folders" if is_folder else "files") in self._forgets:
                return None
        line: dict[str, Any] = {"operation": name}
        if name == "fsync":
            line["inode"] = os.fstat(arguments[0]).st_ino
        elif name in ("replace", "rename"):
            source, target = map(Path, arguments)
            line |= {"from": str(source), "to": str(target), "old": None}
            line["folder"] = target.parent.stat().st_ino
            if target.is_file():
                line["old"] = str(self._folder / str(len(list(self._folder.iterdir()))))
                self._link(target, line["old"])
        result = real(*arguments, **options)
        with open(self._lines, "a") as file:
            file.write(json.dumps(line) + "\n")
        return result

    def cut(self, rng: np.random.Generator) -> None:
        """Cut the power after the child's end: lose what no fsync has made safe."""
        lines = [json.loads(line) for line in self._lines.read_text().splitlines()]
        safe = {line["inode"] for line in lines if "inode" in line}
        for path in self._files():
            if path.stat().st_ino not in safe | self._before:
                os.truncate(path, 0)
        synced: set[int] = set()
        for line in reversed(lines):
            if "inode" in line:
                synced.add(line["inode"])
            elif "to" in line and line["folder"] not in synced and rng.random() < 0.5:
                self._undo(line)

    def _undo(self, line: dict[str, Any]) -> None:
        if Path(line["to"]).exists() and not Path(line["from"]).exists():
            Path(line["from"]).parent.mkdir(exist_ok=True)  # its removal is undone, too
            os.rename(line["to"], line["from"])
            if line["old"]:
                self._link(line["old"], line["to"])

    def _files(self) -> list[Path]:
        return [path for path in self._tree.rglob("*") if path.is_file()]
