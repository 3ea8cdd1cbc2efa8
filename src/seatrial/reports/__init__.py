"""Built-in reports, one module each; `ALIASES` (name to module) and `PARTS` (modules without a reporter).

Create a reporter with `Reporter(out, options)`. `out` is a text stream, a file, or a folder for a report with its usual
name. All options can be omitted: `fold` (a shared fold, ahead of the reporter), `colour` (bool), `reports` (paths to
print at the end), `root` (the base folder of file names in annotations), `append`, `workspace` and `source_url` (the
checkout of a GitHub Actions job, and the URL of its files), `folder` (the run's folder if `out` is elsewhere: the HTML
report includes the ends of its logs).
"""

ALIASES: dict[str, str] = {"markdown": "github"}
PARTS: tuple[str, ...] = ("artifacts", "cases", "document", "markdown", "timeline", "words")
