"""Reports of a pipeline: `stages` is the view that the console, the JSON and the short form share."""

PARTS: tuple[str, ...] = ("stages",)
