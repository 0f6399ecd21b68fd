# The shipped profiles ask Snakemake to be quiet (`quiet: [rules, progress, host, reason]`). Snakemake
# 9.27 then still prints two lines for each job ("Select jobs to execute..."), leaves the jobs out of
# its log file, and shows no jobs in a dry run. So where the profile asks for quiet, the terminal gets
# warnings, errors and the lines of the stages; the log file in .snakemake/log gets all messages; and
# a dry run shows all of them. (`quiet: [all]` would hide errors too: a configuration file that does
# not exist ended without a word.)
import logging
import re
import time

from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.logging import logger as snakemake_logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

BEGAN = time.time()
REASONS = []  # of failed jobs, as far as Snakemake knows them
# What Snakemake says when a job has failed; `failures` tells which one, and why.
ENDINGS = (
    "RuleException:\nCalledProcessError",
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not",
)
FAILURE = re.compile(r"\S+ (\S+ (?:failed|not done) \(\d+\): .*)")


def important(record):
    """Return True for a message that a quiet terminal shows."""
    message = record.getMessage()
    if record.levelno < logging.WARNING:
        return message.startswith("Nothing to be done")
    return not message.startswith(ENDINGS)


class Reasons(logging.Handler):
    """Prints why a job failed where Snakemake itself knows it, such as the word of a cluster."""

    def emit(self, record):
        reason = getattr(record, "rule_msg", None)
        if getattr(record, "event", None) == LogEvent.JOB_ERROR and reason:
            REASONS.append(f"{record.rule_name}: {str(reason).splitlines()[0]}")
            print(f"nasflow: {printable(REASONS[-1])}", file=sys.stderr)


def be_quiet():
    """Let the log file have everything, and the terminal what matters."""
    if Quietness.RULES not in (workflow.output_settings.quiet or ()):
        return
    dryrun = workflow.output_settings.dryrun
    for handler in snakemake_logger.handlers:
        for part in (*handler.filters, handler.formatter):
            if isinstance(part, DefaultFilter | DefaultFormatter) and (
                dryrun or isinstance(handler, logging.FileHandler)
            ):
                part.quiet = set()
        quiet = isinstance(handler, logging.StreamHandler) and not dryrun
        if quiet and not isinstance(handler, logging.FileHandler):
            handler.addFilter(important)
    if not dryrun:
        snakemake_logger.addHandler(Reasons())


def failures():
    """Return a line about each stage that has failed since this Snakemake began, if one is known."""
    found = []
    for log in sorted(Path(RESULTS).glob("**/logs/*.log")):
        if log.is_file() and log.stat().st_mtime >= BEGAN:
            last = log.read_text(errors="replace").splitlines()[-1:]
            found += [match[1] for line in last if (match := FAILURE.fullmatch(line))]
    return found or REASONS


be_quiet()
