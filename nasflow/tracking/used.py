"""What a search used and made, at its own run: the data set, and the registered network.

MLflow shows both as columns of its list of runs, and as links on the page of a run.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from nasflow.storage.files import read_json
from nasflow.storage.own_files import content
from nasflow.tracking.source import Source

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CONTEXT = "mlflow.data.context"
DIGITS = 12  # of the digest of a data set, which MLflow shows beside its name


def log_data(client: MlflowClient, run: Run, source: Source) -> bool:
    """Log the data set of a search to its run, unless it is there.

    Args:
        client: the client of the server or the database.
        run: the run of the search.
        source: any stage of the search.

    Returns:
        Whether something was logged.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    record = source.results / source.experiment / "data/data.json"
    if not record.exists():
        return False
    digest = hashlib.sha256(content(record)).hexdigest()[:DIGITS]
    there = run.inputs.dataset_inputs if run.inputs else []  # a new run has none yet
    if any(found.dataset.digest == digest for found in there):
        return False
    facts = read_json(record)
    counts = {name: sum(found) for name, found in facts.get("counts", {}).items()}
    profile = {**counts, "classes": len(facts["classes"])}
    data = Dataset(
        name=str(facts.get("source") or source.experiment),
        digest=digest,
        source_type="local",
        source=json.dumps({"uri": f"results/{source.experiment}/data"}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag(CONTEXT, "training")])])
    return True


def log_network(client: MlflowClient, run: Run, final: Run | None) -> dict[str, str]:
    """Log the network that the final training registered to the run of the search.

    Args:
        client: the client of the server or the database.
        run: the run of the search.
        final: the run of its final training; None where there is none.

    Returns:
        The tag that names the version of the registered model; nothing where there is none.
    """
    named = final.data.tags.get("nasflow.model") if final else None
    if final is None or named is None:
        return {}
    there = {output.model_id for output in run.outputs.model_outputs} if run.outputs else set()
    made = client.get_run(final.info.run_id).outputs.model_outputs
    new = [output for output in made if output.model_id not in there]
    if new:
        client.log_outputs(run.info.run_id, new)
    return {"nasflow.model": named}
