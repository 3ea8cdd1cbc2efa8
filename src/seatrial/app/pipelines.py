"""The documents that are pipelines; reading and running one needs much more: see `preflight`."""

from __future__ import annotations

from pathlib import Path

from seatrial.app.project import Project, from_here
from seatrial.errors import DocumentError, UsageError
from seatrial.preflight import KEY

NAMES = ("pipeline.yaml", "pipeline.yml", "pipeline.json")
"""Default names of pipeline files."""


def is_pipeline(path: Path) -> bool:
    """Whether a document is a pipeline; false for an unreadable one."""
    from seatrial.loading.read.document import read

    try:
        # Most documents do not contain the word, and need not be parsed twice.
        data = read(path).data if KEY.encode() in path.read_bytes() else None
    except (DocumentError, OSError):
        return False
    return isinstance(data, dict) and KEY in data


def pipeline_of(named: Path | None, project: Project) -> Path:
    """The named document, the project's, or the nearest; UsageError if there is none."""
    if named is not None:
        return named / NAMES[0] if named.is_dir() else named
    setting = project.settings.value("pipeline")
    if setting:
        return from_here(project.folder / setting)
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in NAMES:
            if (folder / name).is_file():
                return from_here(folder / name)
    raise UsageError(
        f"no {NAMES[0]} in {here} or above it; name the file (`seatrial preflight FILE`), "
        'or set `pipeline = "FILE"` in seatrial.toml'
    )
