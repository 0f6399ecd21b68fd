"""The program `nasflow COMMAND ...`; nasflow.command.commands lists the commands.

Exit codes: 0 done; 1 the exported network computes something else, no network keeps the bounds of
`pick`, `predict` could not read some images, or `track --all` left a stage pending; 2 bad input, no
memory or no disk space left, a file that cannot be read or written; 3 a file is damaged or does not
fit the others; 75 the stage was stopped by a signal, or another process works on it: try again; 130
interrupted (Ctrl-C). An error of the user's or of the system is reported in one line, without a
traceback.
"""

from __future__ import annotations

from nasflow.command import ending

ending.at_once()  # the imports below take up to a second, in which Ctrl-C may come

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nasflow.command.arguments import read
from nasflow.command.command import SNAKEMAKE
from nasflow.command.commands import COMMANDS
from nasflow.printable import printable
from nasflow.storage.files import CorruptFile
from nasflow.storage.interruption import Stopped
from nasflow.storage.lock import Held
from nasflow.storage.own_files import opened

# What helps where memory ran out, by command. data.size makes the images smaller. On a GPU, a
# section in HALF can also compute in bfloat16.
ROOM = {
    "prepare": "set a smaller data.size or give fewer images",
    "init": "give fewer images or more memory",
    "predict": "give fewer images at a time",
    "pretrain": "lower pretrain.batch_size or data.size",
    "search_round": "lower search.batch_size, search.n_neigh or data.size, or set"
    " search.max_memory",
    "prune_round": "lower search.batch_size, prune.n_neigh or data.size, or set search.max_memory",
    "final_train": "lower final.batch_size or data.size, or set final.use_validation to false",
    "evaluate": "lower data.size, or give fewer test images",
    "front_evaluate": "lower data.size, or give fewer test images",
    "measure_front": "lower data.size, or give fewer test images",
}
HALF = {
    **{"pretrain": "pretrain", "search_round": "search", "prune_round": "search"},
    "final_train": "final",
}
CODES = {ValueError: 2, CorruptFile: 3, Stopped: 75, Held: 75}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command and its options; None takes those of this process.

    Returns:
        The exit code (see above).

    Raises:
        SystemExit: after help, the version or a complaint about the arguments.
    """
    with ending.interruptible() as interrupt:
        try:
            code = _main(list(sys.argv[1:] if arguments is None else arguments))
        except SystemExit as end:  # after help, or a complaint about the arguments
            if end.code or not (error := ending.flush()):
                raise
            code = _failed("", ValueError(ending.explained("standard output", error)), None)
        except BaseException:
            ending.flush()
            if not interrupt.came:
                raise
            print("nasflow: interrupted", file=sys.stderr)
            code = ending.INTERRUPTED
    return ending.INTERRUPTED if interrupt.came and code else code


def _main(arguments: list[str]) -> int:
    """Run one command; Ctrl-C raises KeyboardInterrupt, or another error within an import."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # torch would warn about each connection that closes when a run on several machines ends.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    name, log, began = arguments[0] if arguments else "", None, time.monotonic()
    ending.harden(lasting=name in COMMANDS and COMMANDS[name].group == SNAKEMAKE)
    try:
        name, options = read(arguments)
        log = options.pop("log", None)
        given = {key: value for key, value in options.items() if value is not None}
        _check(log)
        code = _run(name, given, arguments)
        if error := ending.flush():
            raise error
    except tuple(CODES) as error:
        return _failed(name, error, log)
    except KeyboardInterrupt:
        _note(log, f"{name} not done ({ending.INTERRUPTED}): interrupted")
        raise
    except BrokenPipeError:  # `nasflow show ... | head`
        ending.flush()
        return 0
    except OSError as error:
        ending.flush()
        return _failed(name, ValueError(ending.explained(name, error)), log)
    except (MemoryError, RuntimeError) as error:
        return _starved(name, error, log)
    _note(log, f"{name} done in {time.monotonic() - began:.1f} s")
    return code


def _run(name: str, given: dict[str, Any], arguments: Sequence[str]) -> int:
    """Call the command's function, or start one process per rank where several are wanted.

    Where the work is done already, neither happens. On several machines the ranks find that out,
    because the first one may move a result while the others look at it.
    """
    ranks = given.pop("ranks", 0)  # the function of a stage takes no ranks
    if ranks and "RANK" not in os.environ:
        from nasflow.stages.machines import machines

        together, done = machines(os.environ), COMMANDS[name].finished
        if done and together.nodes == 1 and importlib.import_module(done).is_finished(**given):
            return 0
        if ranks * together.nodes > 1:
            from nasflow.stages.launch import launch

            return launch(ranks, arguments, together)
    function = getattr(importlib.import_module(COMMANDS[name].module), name)
    return function(**given) or 0


def _failed(name: str, error: Exception, log: Path | None) -> int:
    """Report an error of one of the CODES, and return its exit code."""
    first = os.environ.get("RANK", "0") == "0"  # all ranks meet the same error
    lines = [printable(line) for line in str(error).split("\n")]
    for line in lines if first else ():
        print(f"nasflow: {line}", file=sys.stderr)
    code = next(code for kind, code in CODES.items() if isinstance(error, kind))
    _note(log, f"{name} {'failed' if code < 75 else 'not done'} ({code}): {'; '.join(lines)}")
    return code


def _starved(name: str, error: MemoryError | RuntimeError, log: Path | None) -> int:
    """Return the exit code where memory ran out, a rank is lost or the user can mend the GPU.

    Any other error is raised again."""
    if isinstance(error, MemoryError):  # there may be too little left to load torch
        return _no_memory(name, False, (str(error).splitlines() or ["no memory left"])[0], log)
    from nasflow.training import cuda_errors, memory
    from nasflow.training.ranks import LOST, LostRankError

    if isinstance(error, LostRankError):  # nasflow.stages.launch reports which rank it was
        return LOST
    if (found := memory.shortage(error)) is not None:
        return _no_memory(name, *found, log)
    if (line := cuda_errors.explained(error)) is not None:
        return _failed(name, ValueError(f"{name}: {line}"), log)
    raise error


def _no_memory(name: str, gpu: bool, reason: str, log: Path | None) -> int:
    """Report that memory ran out, and return the exit code."""
    remedy = ROOM.get(name, "give this process more memory")
    if gpu and name in HALF:
        remedy += f", or set {HALF[name]}.precision to bfloat16"
    line = f"out of memory{' on the GPU' if gpu else ''} ({reason}); {remedy}"
    print(f"nasflow: {name}: {line}", file=sys.stderr)
    _note(log, f"{name} failed (2): {line}")
    return 2


def _check(log: Path | None) -> None:
    """Raise ValueError before the work, where the log is a symbolic link or no regular file."""
    if log is not None and os.path.lexists(log):
        os.close(opened(log, os.O_WRONLY | os.O_APPEND))


def _note(log: Path | None, line: str) -> None:
    """Append a line to the log file, if there is one."""
    if log is not None:
        # Of a log that is a link, `_check` has told the user. A full disk costs a line of the log.
        with contextlib.suppress(ValueError, OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            with open(log, "a", opener=opened) as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    done = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(
        done
    )  # an ordinary exit takes torch half a second, and longer if MLflow does not answer
