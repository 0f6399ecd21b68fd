"""The final network in MLflow: a model that can be loaded, and a version of it in the registry.

The model is the module of nasflow.deployment.deployable, which normalises its images itself. It is
exported by torch.export, so that it needs no pickle and no code of nasflow. It takes float32 images
(n, channels, height, width) with values from 0 to 1 and returns probabilities (n, classes).

The registry has one model for each experiment, one version for each network, and one alias for
each search (`nasgd-seed-0`), which leads to the latest version of that search. The tag
nasflow.digest of a version is the sha256 of the network's manifest; a network whose digest is there
is not registered again.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasflow.data.image_facts import facts_of
from nasflow.deployment.figures import words
from nasflow.deployment.latency_words import latency_words
from nasflow.storage.files import read_json
from nasflow.tracking.source import Source

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NAME = "network"
EXAMPLES = 2  # images to export with; with one, the size of a batch would be fixed
DIGEST = "nasflow.digest"
Place = Callable[[str], Path | None]  # URI of artifacts -> their path, None behind a server


def register(client: MlflowClient, source: Source, run: str, parent: str, place: Place) -> str:
    """Register the final network of a search, unless it is registered.

    Args:
        client: the client of the server or the database.
        source: the final training of the search.
        run: the id of its run.
        parent: the id of the run of the search, which MLflow names as the source of the version.
        place: finds the path of artifacts, as `artifacts.place` does.

    Returns:
        The version of the network. The alias of the search leads to it now.
    """
    digest = hashlib.sha256((source.folder / "network.json").read_bytes()).hexdigest()
    found = _version(client, source, digest)
    if found is None:
        model, uri = _logged(client, source, run, place)
        found = _registered(client, source, parent, model, uri, digest)
    alias = f"{source.algorithm}-seed-{source.seed}"
    client.set_registered_model_alias(source.experiment, alias, found.version)
    return str(found.version)


def _version(client: MlflowClient, source: Source, digest: str) -> ModelVersion | None:
    wanted = {DIGEST: digest, "nasflow.key": source.key}
    for version in client.search_model_versions(f"name = '{source.experiment}'"):
        if version.tags.items() >= wanted.items():
            return version
    return None


def _logged(client: MlflowClient, source: Source, run: str, place: Place) -> tuple[str, str]:
    """Log the network as a model of the run; returns the id and the URI of the model."""
    experiment = client.get_run(run).info.experiment_id
    tags = {"nasflow.key": source.key}
    parameters = {"algorithm": source.algorithm, "seed": str(source.seed)}
    logged = client.create_logged_model(experiment, NAME, run, tags, parameters, "classifier")
    client.log_outputs(run, [_output(logged.model_id)])
    with tempfile.TemporaryDirectory() as folder:
        target = place(logged.artifact_location) or Path(folder) / "model"
        target.parent.mkdir(parents=True, exist_ok=True)
        _save(source, target, run, logged.model_id)
        if place(logged.artifact_location) is None:
            client.log_model_artifacts(logged.model_id, str(target))
    client.finalize_logged_model(logged.model_id, "READY")
    return logged.model_id, logged.artifact_location


def _output(model: str) -> Any:
    from mlflow.entities import LoggedModelOutput

    return LoggedModelOutput(model, step=0)


def _save(source: Source, target: Path, run: str, model: str) -> None:
    """Write the model as a folder in MLflow's format."""
    import mlflow.pytorch  # takes 5 s
    from mlflow.models import Model, infer_signature

    from nasflow.deployment.deployable import Deployable
    from nasflow.storage.checkpoint import read_checkpoint

    stem = source.folder / "network"
    module = Deployable(read_checkpoint(stem).network, facts_of(stem))
    images = module.example(EXAMPLES)
    answers = module(images).detach()
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it warns of guessed requirements
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pytorch.save_model(
            module,
            str(target),
            mlflow_model=Model(artifact_path=NAME, run_id=run, model_id=model),
            signature=infer_signature(images.numpy(), answers.numpy()),
            input_example=images.numpy(),
            serialization_format="pt2",
            pip_requirements=[f"torch=={_torch()}", "numpy"],
            metadata={"classes": list(module.classes)},
        )


def _torch() -> str:
    import torch

    return torch.__version__.split("+")[0]


def _registered(
    client: MlflowClient, source: Source, run: str, model: str, uri: str, digest: str
) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(source.experiment, description=_collection(source))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        "nasflow.key": source.key,
        DIGEST: digest,
        "algorithm": source.algorithm,
        "seed": str(source.seed),
    }
    return client.create_model_version(
        source.experiment,
        uri,
        run_id=run,
        tags=tags,
        description=_description(source),
        model_id=model,
    )


def _collection(source: Source) -> str:
    return (
        f"The networks that the experiment {source.experiment} found. Each version is the final "
        "network of one search. The alias of a search leads to its latest version."
    )


def _description(source: Source) -> str:
    found = read_json(source.folder / "metrics.json")
    name, alias = source.experiment, f"{source.algorithm}-seed-{source.seed}"
    return "\n".join(
        [
            f"{source.algorithm}, seed {source.seed}: **{found['test_accuracy']:.2%} test accuracy"
            f"**, {found['validation_accuracy']:.2%} validation accuracy, {found['parameters']:,} "
            f"parameters, {found['flops']:,} FLOPs per image.",
            "",
            *([f"Where it is used it takes {taken}.", ""] if (taken := words(found)) else []),
            *(
                [f"One image on one core takes {time}.", ""]
                if (time := latency_words(found))
                else []
            ),
            "The model takes images as float32 (n, channels, height, width) with values from 0 to "
            "1. It normalises them itself, and returns probabilities (n, classes).",
            "",
            "```python",
            "import mlflow",
            'mlflow.set_tracking_uri("http://127.0.0.1:5000")  # the address of `nasflow ui`',
            f'model = mlflow.pytorch.load_model("models:/{name}@{alias}")',
            "probabilities = model(images)",
            "```",
            "",
            f"Its files are in `results/{source.key}`. To use it without MLflow: `nasflow export "
            f"results/{source.key}/network --to onnx --out network.onnx`",
        ]
    )
