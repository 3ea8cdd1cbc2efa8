"""Built-in reports, one module per thing; `ALIASES` (name to module) and `PARTS` (modules that register nothing).

A reporter is made as `Reporter(out, options)`. `out` is a text stream, a file, or a folder in which the report has its
usual name. Options, all of them optional: `fold` (a shared fold that is fed before the reporter is), `colour` (bool),
`reports` (paths to name at the end), `root` (the folder that file names in annotations are relative to), `append`,
`workspace` and `source_url` (what a job of GitHub Actions has checked out, and where its files can be seen),
`folder` (the run's folder, when `out` is not in it: the HTML report embeds log tails from there).
"""

ALIASES: dict[str, str] = {"markdown": "github"}
PARTS: tuple[str, ...] = ("artifacts", "cases", "document", "markdown", "page", "places", "render", "timeline", "words")
