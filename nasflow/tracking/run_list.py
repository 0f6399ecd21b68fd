"""MLflow's list of searches, with their accuracies as columns.

MLflow shows no metric in its list until the reader chooses it. It also knows shared views, whose
columns stand in a tag of the experiment. The tag has MLflow's own form, that of its button `Share`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nasflow.tracking import notes
from nasflow.tracking.runs import NOTE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

VIEW = "nasflow"  # the name of the view in addresses
TAG = f"mlflow.sharedViewState.{VIEW}"
PAGE = "#/experiments/{}/runs?viewStateShareKey=" + VIEW
METRICS = ("test_accuracy", "balanced_accuracy", "parameters", "effort/seconds_total")


def describe(client: MlflowClient, experiment: Experiment) -> None:
    """Give an experiment its description and the view with accuracies, where they differ.

    Args:
        client: the client of the server or the database.
        experiment: the experiment with its tags.
    """
    number = str(experiment.experiment_id)
    link = PAGE.format(number)
    wanted = {NOTE: notes.EXPERIMENT.format(link=link), TAG: json.dumps(state())}
    for key, value in wanted.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(number, key, value)


def state() -> dict[str, object]:
    """Return the view: these columns beside name, time and duration.

    It sets no order, because MLflow folds rounds in only where it sorts by time. The columns of the
    data set and the model stand before metrics and would push them out of a narrow window.
    """
    return {"selectedColumns": [f"metrics.`{name}`" for name in METRICS]}
