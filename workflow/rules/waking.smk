"""How Snakemake starts jobs: as soon as a core is free, without a limit on their rate."""


# Works around a fault of Snakemake, seen in 9.27.1. While jobs wait for a core, each pass of the
# scheduler's loop starts a timer of one timespan of --max-jobs-per-timespan (default: 100/1s),
# which starts another pass; the end of a job starts a pass too, so that the timers add up. After
# 140 jobs they took 15 % of a core from searches that are compared by wall clock. To reproduce: 40
# jobs of `sleep 0.1` and 3 jobs of `sleep 8` with --cores 1 --verbose; the lines "Ready jobs" grow
# to 29 per second. (https://github.com/snakemake/snakemake/pull/3744 describes the same passes.)
# No setting avoids it: null in a profile means the default, "100/0s" would leave no pause between
# passes, and after a longer timespan Snakemake waits at its end for the last timer (three jobs of
# 0.3 s take 17 s with 100000/15s, 3 s with the default).
def wake_when_jobs_end():
    """Remove the limit on job starts, unless it is lower than Snakemake's default."""
    limit = getattr(workflow.scheduling_settings, "max_jobs_per_timespan", None)
    if limit and limit.max_jobs >= 100 * limit.timespan:
        workflow.scheduler.job_rate_limiter = None
