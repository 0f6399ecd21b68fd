"""Snakemake and the stages of nasflow in processes that find their libraries loaded.

A new process spends one second on the imports of Snakemake and two on those of torch, while the
work of a test's stage takes tenths of a second. Here one process for each process of the tests
loads these libraries once, and no module of nasflow. It forks for each command: the child takes
the command's folder, environment and files, and runs the module as `python -m` does. It imports
nasflow itself, in the order of a new process. In it, `sys.executable` is a small program that
hands `python -m nasflow` and `python -m snakemake` back to this server, so that the stages which
Snakemake starts are warm, too. Any other call of it runs Python.

It is not for tests of what a process imports, nor for signals and kills, which would reach the
small program: these tests start new processes. All children of a server have its hash seed, which
decides the order of Python's sets. A test that compares two runs bit for bit takes a new process
for one of them, or the second server. A whole search in new processes is the fixture `finished`.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

MODULES = ("nasflow", "snakemake")
# What Snakemake and the stages import of other packages.
LIBRARIES = (
    *("snakemake.cli", "snakemake.workflow", "snakemake.dag", "snakemake.executors.local"),
    *("torch", "numba", "pandas", "pyarrow.parquet", "pyarrow.compute", "safetensors.torch"),
    *("scipy.linalg", "scipy.stats", "sklearn.datasets", "PIL.Image", "pydantic", "yaml"),
    *("jinja2", "rich.console", "rich.progress"),
)
# The program in the place of Python: it hands the command over, with its three standard files.
# Its first lines are a command of the shell, because a path after #! may hold no space.
PROGRAM = """#!/bin/sh
'''exec' {quoted} -SEs "$0" "$@"
' '''
import array, json, os, socket, sys
safe = sys.argv[1:2] == ["-P"]
words = sys.argv[1 + safe:]
if words[:1] != ["-m"] or words[1] not in {modules}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
request = json.dumps([words[1:], os.getcwd(), dict(os.environ), safe]).encode()
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
files = array.array("i", [0, 1, 2])
server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(request)
server.shutdown(socket.SHUT_WR)
code = int(server.recv(16) or 1)
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def run(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
    merged: bool = False,
    server: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ...`, where `words` are the module and what follows.

    Args:
        words: the name of the module, one of MODULES, and its arguments.
        cwd: the folder in which it runs.
        env: all environment variables; None takes those of this process.
        timeout: the seconds after which subprocess.TimeoutExpired is raised.
        merged: whether stderr goes to stdout, too.
        server: the number of the server; each has a hash seed of its own.

    Returns:
        What subprocess.run would return, with stdout and stderr as text.
    """
    pipe = subprocess.PIPE
    return subprocess.run(
        [_program(server), "-m", *words],
        cwd=cwd,
        env=env,
        timeout=timeout,
        text=True,
        stdout=pipe,
        stderr=subprocess.STDOUT if merged else pipe,
    )


@cache
def _program(server: int) -> str:
    """Start a server, and return the path of the program that takes the place of Python."""
    folder = Path(tempfile.mkdtemp(prefix="nasflow-warm-"))
    program, address = folder / "python", str(folder / "socket")
    places = {"python": sys.executable, "quoted": shlex.quote(sys.executable), "address": address}
    text = PROGRAM.format(modules=MODULES, **places)
    program.write_text(text)
    program.chmod(0o700)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, address, str(program)],
        env=environment | {"OMP_NUM_THREADS": "1"},  # as in the stages that Snakemake starts
        stdin=subprocess.PIPE,  # the server ends when this process does
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    atexit.register(_end, process, folder)
    return str(program)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End a server."""
    process.communicate()
    shutil.rmtree(folder)


def _serve(address: str, program: str) -> None:
    """Load the libraries, and fork for each command until standard input is closed."""
    for name in LIBRARIES:
        importlib.import_module(name)
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        if not os.fork():
            listener.close()
            _answer(client, program)
        client.close()
        _forget_the_ended()


def _end_with_the_tests() -> None:
    sys.stdin.read()
    _forget_the_ended()
    os._exit(0)


def _forget_the_ended() -> None:
    """Let the system forget the children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(client: socket.socket, program: str) -> None:
    """Run one command in a child, tell the client its exit code, and end."""
    files = array.array("i")
    _, extra, *_ = client.recvmsg(1, socket.CMSG_LEN(3 * files.itemsize))
    files.frombytes(extra[0][2])
    with client.makefile("rb") as request:
        words, folder, environment, safe = json.loads(request.read())
    child = os.fork()
    if not child:
        client.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os._exit(_code(words, folder, environment, safe, program))
    for file in files:
        os.close(file)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        client.sendall(str(code).encode())
    os._exit(0)


def _code(
    words: list[str], folder: str, environment: dict[str, str], safe: bool, program: str
) -> int:
    """Run a module as `python -m` does, and return its exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    given = [place for place in environment.get("PYTHONPATH", "").split(":") if place]
    sys.path[:0] = given if safe or environment.get("PYTHONSAFEPATH") else [folder, *given]
    sys.executable, sys.argv = program, list(words)
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve(*sys.argv[1:])
