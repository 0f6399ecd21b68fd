"""Several machines meet at one address, behind a key; a rank on one machine needs no port."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nasflow.stages import meeting
from nasflow.stages.machines import Machines

CODE = """
import sys
from nasflow.stages import meeting
from nasflow.stages.machines import Machines
own = Machines(2, "127.0.0.2", int(sys.argv[1]), None, "k" * 20, patience=20)
met = meeting.meet(own)
listening = [line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"]
print(met.number, f"0200007F:{own.port:04X}" in listening, f"00000000:{own.port:04X}" in listening)
sys.stdout.flush()
sys.stdin.read()
"""


def _port() -> int:
    with socket.create_server(("127.0.0.2", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc/net/tcp")
def test_two_machines_meet_and_the_first_listens_on_one_address_only() -> None:
    command, pipe = [sys.executable, "-c", CODE, str(_port())], subprocess.PIPE
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    said = [process.stdout.readline().split() for process in both]  # type: ignore[union-attr]
    for process in both:
        process.communicate()
    assert sorted(said) == [["0", "True", "False"], ["1", "True", "False"]]


def test_a_key_that_differs_or_a_machine_that_does_not_come_ends_in_one_line() -> None:
    with pytest.raises(meeting.NoMeetingError, match=r"came within 1 s \(NASFLOW_MEETING_SECONDS"):
        meeting.meet(Machines(2, "127.0.0.1", _port(), True, "k" * 20, patience=1))
    with pytest.raises(meeting.NoMeetingError, match=r"came within 1 s \(NASFLOW_MEETING_SECONDS"):
        meeting.meet(Machines(2, "127.0.0.1", _port(), False, "k" * 20, patience=1))
    with pytest.raises(
        meeting.NoMeetingError, match=r"look up no-such-host.invalid \(.*MASTER_ADDR"
    ):
        meeting.meet(Machines(2, "no-such-host.invalid", _port(), False, "k" * 20))
