"""What the Slurm plugin of Snakemake does with jobs that cannot run or that Slurm has stopped.

Three functions of the plugin (read and run: 2.8.0, which is why pyproject.toml allows no other
minor version) are replaced here, because none of its settings helps:

* It repeats a job that Slurm refuses (up to `retries`), and it submits jobs that wait for ever.
* It waits for ever for a job that was pre-empted where Slurm does not start it again: in a
  partition with PreemptMode=CANCEL, or with --no-requeue.
* Where a node fails and Slurm starts the job again, it takes "None assigned" for the name of the
  failed node, and every later `sbatch` gets `--exclude=None assigned` and is refused
  (snakemake-executor-plugin-slurm, issue 485). The nodes that failed are not excluded here, because
  Slurm itself uses no node that is down.
"""

import subprocess

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from nasflow.stages.cluster_jobs import PARTITIONS, UNDECIDED, given_up, impossible, refused


def mend_slurm(plugin):
    """Replace the three functions.

    Args:
        plugin: the module `snakemake_executor_plugin_slurm`.
    """
    executor, query = plugin.Executor, plugin.query_job_status
    submit, fail = executor.run_job, executor._report_job_error_threadsafe

    def run_possible_job(self, job):
        """Submit a job, unless Slurm would never run it."""
        line = "" if job.is_group() else impossible(job.name, job.resources, _partitions(self))
        if line:
            job.attempt = job.restart_times + 1  # no further attempt follows
            fail(self, SubmittedJobInfo(job), f"{line}\n")
        else:
            submit(self, job)

    def report_refusal(self, job_info, msg):
        """Report a failed submission, and end the job where repeating it cannot help."""
        job = job_info.job
        line = "" if job.is_group() else refused(job.name, job.resources, msg)
        if line:
            job.attempt = job.restart_times + 1
        fail(self, job_info, f"{line}\n" if line else msg)

    async def query_settled(command, logger):
        """Ask for the states of all jobs, and decide those that the accounts leave open."""
        states, seconds = await query(command, logger)
        for job, state in (states or {}).items():
            if state in UNDECIDED:
                states[job] = given_up(
                    state, *_slurm("squeue", f"--jobs={job}", "--states=all", "--format=%T")
                )
        return states, seconds

    executor.run_job, executor._report_job_error_threadsafe = run_possible_job, report_refusal
    plugin.query_job_status = query_settled


def _partitions(executor):
    """Return what sinfo says of the partitions; "" where the plugin itself chooses one of them."""
    chosen = executor.workflow.executor_settings.partition_config
    if chosen or "SNAKEMAKE_SLURM_PARTITIONS" in os.environ:
        return ""
    code, answer, _ = _slurm("sinfo", f"--format={PARTITIONS}")
    return "" if code else answer


def _slurm(name, *options):
    """Run a command of Slurm; returns its exit code, its output and its errors."""
    try:
        done = subprocess.run(
            [name, "--noheader", *options], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)


# Snakemake has imported every installed plugin before it reads this file.
if MAIN and "snakemake_executor_plugin_slurm" in sys.modules:
    mend_slurm(sys.modules["snakemake_executor_plugin_slurm"])
