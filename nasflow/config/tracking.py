"""The section `tracking` of the configuration: where the mirror in MLflow is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from nasflow.config.section import Section, key, refuse

USERINFO = (
    "expected no user name and no password, because the records of each stage name this address;"
    " give them in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
)


def public(uri: str) -> str | None:
    """Return an address with *** for its user name and password, or None where it has none."""
    found = re.fullmatch(r"(https?://)[^/?#]*@(.*)", uri, re.IGNORECASE | re.DOTALL)
    return f"{found[1]}***@{found[2]}" if found else None


def _without_secret(uri: str) -> str:
    if shown := public(uri):
        raise refuse(USERINFO, found=shown)
    return uri


class Tracking(Section):
    """The mirror in MLflow. It never changes a result."""

    enabled: bool = key(True, "mirror the records to MLflow")
    uri: Annotated[str, AfterValidator(_without_secret)] = key(
        "sqlite:///results/mlflow.db", "tracking server", pattern=r"^(sqlite:///|https?://).+"
    )
