"""How the machines that run one command meet: at a small server of the first of them.

The server is torch's TCPStore, which keeps texts by name and unpickles nothing. It listens on one
address only, the one that MASTER_ADDR names, and the names of all texts begin with a random key
that the machines share (NASFLOW_KEY). Neither the server nor gloo, through which the ranks talk
afterwards, encrypts anything or checks who sends. So the network between the machines must be
private.
"""

from __future__ import annotations

import errno
import socket
import time
from datetime import timedelta
from typing import NamedTuple

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from nasflow.stages.machines import Machines
from nasflow.training.rendezvous import WAIT


class NoMeetingError(Exception):
    """The machines have not found each other."""


class Met(NamedTuple):
    """What a machine knows after the meeting.

    Attributes:
        number: the number of this machine, from 0; the one that keeps the store is 0.
        address: the address of the store.
        port: the port of the store.
        store: the store; it ends with the process that keeps it.
    """

    number: int
    address: str
    port: int
    store: Store


def meet(machines: Machines) -> Met:
    """Wait until all machines have come, and number them.

    Args:
        machines: the machines; there are at least two of them, and they share a key.

    Raises:
        NoMeetingError: if not all machines come within their patience, if more come than expected,
            or if the address is unknown or its port is taken.
    """
    assert machines.key is not None
    end = time.monotonic() + machines.patience
    patience = timedelta(seconds=machines.patience)
    try:
        family, address = _address(machines)
        server = _server(machines, family, address)
        listening = None if server is None else server.detach()  # the store closes it
        own = TCPStore(
            address,
            machines.port,
            is_master=listening is not None,
            timeout=patience,
            wait_for_workers=False,
            master_listen_fd=listening,
        )
        store = PrefixStore(f"{machines.key}/machines", own)
        number = 0 if listening is not None else store.add("number", 1)
        if number >= machines.nodes:
            raise NoMeetingError(f"this is one more than NODES, {machines.nodes}")
        if store.add("arrived", 1) == machines.nodes:
            store.set("complete", "yes")
        store.wait(["complete"], timedelta(seconds=max(1.0, end - time.monotonic())))
    except OSError as error:
        raise NoMeetingError((str(error).splitlines() or ["no answer"])[0]) from error
    except RuntimeError as error:  # torch's errors of a store
        raise NoMeetingError(_explained(error, machines, end)) from error
    return Met(number, address, machines.port, own)


def _explained(error: RuntimeError, machines: Machines, end: float) -> str:
    """Say in one line why torch's store has failed."""
    if time.monotonic() >= end - 0.5:
        return f"not all of them came within {machines.patience} s ({WAIT} sets how long they wait)"
    return (str(error).splitlines() or ["no answer"])[0]


def _address(machines: Machines) -> tuple[socket.AddressFamily, str]:
    """Look up the address of the first machine."""
    try:
        found = socket.getaddrinfo(machines.master, machines.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        why = f"{socket.gethostname()} cannot look up {machines.master} ({error.strerror})"
        raise NoMeetingError(
            f"{why}; MASTER_ADDR sets another name or the address of the first machine"
        ) from error
    return found[0][0], str(found[0][4][0])


def _server(machines: Machines, family: socket.AddressFamily, address: str) -> socket.socket | None:
    """Listen at the address, if this machine is the first one.

    Where nothing says which machine is the first, it is the one that has the address.
    """
    if machines.host is False:
        return None
    try:
        return socket.create_server((address, machines.port), family=family)
    except OSError as error:
        elsewhere = error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
        if machines.host is None and elsewhere:
            return None
        raise
