"""Starts MLflow's server, which shows a local database as web pages."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from nasflow.printable import printable
from nasflow.tracking.run_list import TAG, VIEW
from nasflow.tracking.server import SQLITE, artifacts, local, prepare_environment, read_only

HOST = "127.0.0.1"
FIRST, MORE = 5000, 100  # the ports that are tried where none is given: 5000 to 5099
START = 300.0  # seconds that the server gets to start; on a busy core it takes half a minute
END = 10.0  # seconds that it gets to end
LOOK = 0.1  # seconds between two looks at it
PAGE = "#/experiments/{}/runs?workflowType=machine_learning"


def pages(path: Path, address: str) -> Iterator[tuple[str, str]]:
    """List the experiments of a local database.

    Args:
        path: the database.
        address: the address of the server that shows it, `http://HOST:PORT`.

    Returns:
        For each experiment its name and the address of the page with its searches.
    """
    with closing(read_only(path)) as connection:
        rows = connection.execute(
            "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active'"
        ).fetchall()
        tags = connection.execute("SELECT experiment_id FROM experiment_tags WHERE key = ?", (TAG,))
        views = {number for (number,) in tags}
    viewed = {number: f"&viewStateShareKey={VIEW}" * (number in views) for _, number in rows}
    return ((name, f"{address}/{PAGE.format(number)}{viewed[number]}") for name, number in rows)


def free_port(wanted: int | None) -> int:
    """Return a port on which a server can listen.

    Args:
        wanted: the only port that is allowed; None takes the first one that is free.

    Raises:
        ValueError: if there is none.
    """
    if wanted is not None and not 1 <= wanted <= 65535:
        raise ValueError(f"--port: {wanted}; expected 1 to 65535")
    tried = range(FIRST, FIRST + MORE) if wanted is None else (wanted,)
    for port in tried:
        try:
            socket.create_server((HOST, port)).close()
        except OSError as error:
            trouble = error
            continue
        return port
    if wanted is None:
        raise ValueError(f"--port: {FIRST} to {tried[-1]} are all taken; give a free one")
    if trouble.errno == errno.EADDRINUSE:
        raise ValueError(
            f"--port: {wanted}; another program listens there; give a free one, or none"
        )
    raise ValueError(f"--port: {wanted}; {trouble.strerror}; give another one, or none")


def serve(uri: str, port: int | None = None) -> NoReturn:
    """Show a local database until the user or a signal ends this process.

    The server has no login, so it listens on the loopback address. To reach it under another name,
    set MLFLOW_SERVER_ALLOWED_HOSTS=name:port, which MLflow asks for. The addresses of the
    experiments are printed when the server answers.

    Args:
        uri: the SQLite URI of the database.
        port: the port to listen on; None takes the first free one from FIRST on.

    Raises:
        ValueError: if there is no database, as `local` says, no port, or if the server ends.
    """
    path = local(uri).absolute()
    address = f"http://{HOST}:{(chosen := free_port(port))}"
    with tempfile.TemporaryFile() as said, _server(path, chosen, said) as server:
        limit = time.monotonic() + START
        while server.poll() is None and not _answers(address) and time.monotonic() < limit:
            time.sleep(LOOK)
        if server.poll() is None and time.monotonic() < limit:
            _tell(path, address, moved=port is None and chosen != FIRST)
            server.wait()
        how = "does not answer" if server.poll() is None else "has ended"
        raise ValueError(f"ui: MLflow's server {how}: {_reason(said)}")


def _tell(path: Path, address: str, *, moved: bool) -> None:
    if moved:
        print(f"nasflow: another program listens on port {FIRST}; this is {address}")
    found = list(pages(path, address))
    for experiment, page in found:
        print(printable(f"nasflow: {experiment} is shown at {page}"))
    if not found:
        print(printable(f"nasflow: {path} has no experiment yet; it is shown at {address}"))
    print("nasflow: to see runs on other pages, choose Model training at the top left", flush=True)


def _answers(address: str) -> bool:
    """Return True when the server can be used."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(f"{address}/health", timeout=3.0).close()
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _reason(said: IO[bytes]) -> str:
    """Return the last line of the server that is about an error, or else its last line."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines()]
    lines = [line for line in lines if line] or ["it said nothing"]
    wrong = [line for line in lines if "rror" in line or "xception" in line]
    return printable((wrong or lines)[-1])[:300]


@contextmanager
def _server(path: Path, port: int, said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server while the context lasts.

    The server runs in the root folder. In the current folder, Python and uvicorn would import
    modules from the files that lie there, such as a `queue.py`. It has a session of its own, so
    that Ctrl-C reaches this process alone, which then ends the server.
    """
    prepare_environment()
    options = {
        "--backend-store-uri": f"{SQLITE}{path}",
        "--artifacts-destination": str(artifacts(path)),
        "--host": HOST,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    words = [word for option in options.items() for word in option]
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "mlflow", "server", *words],
        cwd="/",
        env=os.environ | {"PYTHONSAFEPATH": "1"},  # as -P, for the processes that it starts
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        _stop(server)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(END)
            return


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
