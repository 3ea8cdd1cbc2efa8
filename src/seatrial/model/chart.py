"""A Helm chart, as users write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from seatrial.model.frozen import frozen

__all__ = ["Chart"]


@frozen
class Chart:
    """A Helm chart to install."""

    chart: str
    """Its folder or archive, relative to the document; or `oci://…`, or `REPOSITORY/NAME` as `helm` knows it."""
    version: str = ""
    """Its version, for a chart from a repository; empty: the newest."""
    release: str = ""
    """The name of the release. Empty: for a trial, the chart's name and the trial's id, so that two trials never share
    one; for a service, the service's name."""
    values: tuple[str, ...] = ()
    """Files with values, relative to the document; a later one has precedence."""
    set: Mapping[str, Any] = field(default_factory=dict)
    """Values over those of the files, nested as in a file; secrets belong here."""
