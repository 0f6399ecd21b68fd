"""A real Slurm on one machine: four nodes, n1 to n4, with four pretended GPUs each.

    python tests/slurm/cluster.py COMMAND ...

starts the cluster, runs COMMAND on it (a shell, for example), and ends the cluster. Only Linux's
root can start it, and only where Slurm, munge and MariaDB are installed (`PACKAGES`).

Everything lies in one temporary folder, and the environment variable SLURM_CONF is all that tells
the commands of Slurm about it. So the configuration of the machine is neither read nor changed, and
several clusters can run side by side. Each node is a process namespace of its own: when its first
process ends, Linux ends all its processes, as a failure of power would. In its own mount namespace
a node sees a file /etc/hosts in which the names of the nodes stand. All daemons end with the
process that started them, even when that process is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Packages of Debian, and what they bring. mariadb-install-db needs my_print_defaults.
PACKAGES = "slurmctld slurmd slurm-client slurmdbd munge mariadb-server-core mariadb-client-core"
PROGRAMS = "slurmctld slurmd slurmdbd sbatch sacct munged mariadb-install-db my_print_defaults"
NODES = {f"n{i}": f"127.0.0.{i}" for i in range(1, 5)}
NAMELESS = {"lost1": "127.0.0.5"}  # its name stands in no file /etc/hosts
PATIENCE = 30.0  # seconds that a daemon gets to answer, on a machine with other work

# cred_expire is also the time that a job which Slurm starts again has to wait (default: 120 s).
# With config_overrides the nodes have the processors and the memory that stand here, and not those
# of the machine. ProctrackType and TaskPlugin use no cgroups, which a container may not have.
SLURM_CONF = """
ClusterName=nasflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
JobRequeue=1
KillWait=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[1]}
AccountingStoragePass={folder}/munge.socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
GresTypes=gpu
NodeName=DEFAULT CPUs=16 RealMemory=100000 Gres=gpu:4 State=UNKNOWN
{nodes}
PartitionName=DEFAULT Nodes=n1,n2 MaxTime=INFINITE State=UP
PartitionName=main Default=YES PriorityTier=1 GraceTime=60
PartitionName=cancel PriorityTier=1 PreemptMode=CANCEL GraceTime=0
PartitionName=urgent PriorityTier=10 PreemptMode=OFF
PartitionName=pair Nodes=n3,n4 MaxTime=24:00:00
PartitionName=lost Nodes=lost1,n4
"""
SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[1]}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""
GRES_CONF = """
NodeName=n[1-4],lost1 Name=gpu File=/dev/tty[0-3]
"""


def missing() -> str:
    """Return in one line why no cluster can start here, or "" where one can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs Linux and root"
    if lacking := [name for name in PROGRAMS.split() if _program(name) is None]:
        return f"needs Slurm: {', '.join(lacking)} not found; apt-get install {PACKAGES}"
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True)
    return f"needs namespaces: {tried.stderr.strip()}" if tried.returncode else ""


NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Cluster:
    """The daemons of one cluster.

    Attributes:
        folder: where everything of the cluster lies.
        environment: the environment variables with which the commands of Slurm find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons, and wait until both nodes take jobs."""
        self._write()
        munged = ("--foreground", "--force", f"--socket={self.folder}/munge.socket")
        files = [f"--{n}-file={self.folder}/munge.{n}" for n in ("key", "pid", "seed", "log")]
        self._run("munged", *munged, *files)
        self._database()
        self._run("slurmdbd", "-D")
        self._until(
            lambda: not self.run("sacctmgr", "-n", "list", "cluster").returncode, "slurmdbd"
        )
        self._run("slurmctld", "-D")
        for node in NODES | NAMELESS:
            self.boot(node)
        count = f"{len(NODES | NAMELESS)} idle"
        self._until(lambda: self.answers("sinfo", "-ha", "-o%D %T") == count, "slurmctld")

    def stop(self) -> None:
        """End all daemons and jobs."""
        for name in list(self._running):
            self.kill(name)

    def boot(self, node: str) -> None:
        """Start a node, in namespaces of its own."""
        own = 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0" /etc/slurm && "$@"; exit'
        daemon = str(_program("slurmd")), "-D", "-N", node
        self._run(*NAMESPACE, "bash", "-c", own, str(self.folder), *daemon, name=node)

    def kill(self, name: str) -> None:
        """End a daemon without a warning, or a node with all its processes."""
        daemon = self._running.pop(name)
        daemon.kill()
        daemon.wait()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command, for example of Slurm, with this cluster."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def answers(self, *command: str) -> str:
        """Return what a command prints; "" where it fails."""
        done = self.run(*command)
        return "" if done.returncode else done.stdout.strip()

    def _write(self) -> None:
        """Write the configuration and the secret key of this cluster."""
        for name in ("state", "database"):
            (self.folder / name).mkdir()
        host, places = socket.gethostname(), NODES | NAMELESS
        ports = _free_ports(2 + len(places))
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr={address} Port={port}"
            for (name, address), port in zip(places.items(), ports[2:], strict=True)
        ]
        nodes = "\n".join(lines)
        facts = {"folder": self.folder, "host": host, "ports": ports, "nodes": nodes}
        names = "".join(f"{address} {name}\n" for name, address in NODES.items())
        texts = {"slurm.conf": SLURM_CONF, "slurmdbd.conf": SLURMDBD_CONF, "gres.conf": GRES_CONF}
        texts = {name: text.format(**facts) for name, text in texts.items()}
        for name, text in (texts | {"hosts": Path("/etc/hosts").read_text() + names}).items():
            (self.folder / name).write_text(text)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        for name in ("slurmdbd.conf", "munge.key"):
            (self.folder / name).chmod(0o600)

    def _database(self) -> None:
        """Start a MariaDB that listens on a socket in the folder only."""
        data, own = f"--datadir={self.folder}/database", "--user=root"
        small = ("--innodb-log-file-size=8M", "--innodb-flush-method=nosync", "--debug-no-sync")
        install = [str(_program("mariadb-install-db")), "--no-defaults", data, own, *small]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db ends with {done.returncode}\n{done.stderr}")
        place = f"{self.folder}/database.socket"
        listen = ("--skip-networking", f"--socket={place}", f"--pid-file={self.folder}/db.pid")
        self._run("mariadbd", "--no-defaults", data, own, *small, *listen)
        self.environment["MYSQL_UNIX_PORT"] = place  # libmariadb's name for its default socket
        self._until(Path(place).exists, "mariadbd")

    def _run(self, *command: str, name: str | None = None) -> None:
        """Start a daemon that ends with this process."""
        name = name or command[0]
        with (self.folder / f"{name}.out").open("wb") as out:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(_program(command[0])), *command[1:]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _until(self, ready: Callable[[], object], name: str) -> None:
        """Wait until a daemon answers."""
        limit = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > limit:
                said = "".join(f.read_text() for f in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"{name} does not answer after {PATIENCE:.0f} s\n{said}")
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Return ports that no program uses."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Yield a running cluster, and end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="nasflow-slurm-") as folder:
        own = Cluster(Path(folder))
        try:
            own.start()
            yield own
        finally:
            own.stop()


def main(command: list[str]) -> int:
    """Run a command with a cluster of its own; returns its exit code."""
    if why := missing():
        print(f"cluster: {why}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    with cluster() as own:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the command
        return subprocess.run(command or ["bash"], env=own.environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
