"""Processes that end before one of their file operations, and what a power cut leaves of them.

The cut is a model, harsher than most disks: what no fsync followed is empty, and of the renames
that no fsync of their folder followed a lot decides which have happened.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "rmdir"), (os, "unlink"))


def inside(work: Callable[[], object]) -> int:
    """The process of a fork that does this work and ends: 0 done, 1 an exception."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def code_of(child: int) -> int:
    """Waits for its end."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(operation: int, work: Callable[[], None], journal: Journal | None = None) -> bool:
    """Run in a child process that ends at once before its file operation of that number, without
    any `finally`; whether it did."""
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
    """The disk under `tree`, as the operations of a child process leave it. `folder` lies beside
    it, on the same file system. `forgets`: the fsyncs that the child only pretends to do, those of
    files or of folders."""

    def __init__(self, tree: Path, folder: Path, forgets: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True)
        self._tree, self._folder, self._forgets = tree, folder, forgets
        self._lines = folder / "lines"
        self._lines.touch()
        self._before = {path.stat().st_ino for path in self._files()}
        self._link = os.link

    def note(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """In the child."""
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
        """The power goes, after the child's end."""
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
            os.rename(line["to"], line["from"])
            if line["old"]:
                self._link(line["old"], line["to"])

    def _files(self) -> list[Path]:
        return [path for path in self._tree.rglob("*") if path.is_file()]
