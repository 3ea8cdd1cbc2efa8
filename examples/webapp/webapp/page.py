"""The one page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from webapp.notes import Note

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Notes</title></head>
<body>
<h1>Notes</h1>
<p id="kept">{kept}</p>
<form action="/notes" method="post"><input name="text" required><button>Keep it</button></form>
<ul id="notes">
{notes}
</ul>
<h2>Uploads</h2>
<form action="/uploads" method="post" enctype="multipart/form-data"><input type="file" name="file" required>
<button>Upload</button></form>
<ul id="uploads">
{uploads}
</ul>
</body>
</html>
"""


def page(notes: Sequence[Note], uploads: Sequence[str], *, in_database: bool) -> str:
    """HTML; people's words are text in it."""
    return PAGE.format(
        kept="Notes are in PostgreSQL." if in_database else "There is no database: notes are on this machine's disk.",
        notes="\n".join(_item(note) for note in notes),
        uploads="\n".join(f'<li><a href="/uploads/{escape(name)}">{escape(name)}</a></li>' for name in uploads),
    )


def _item(note: Note) -> str:
    counted = "" if note.words is None else f" <small>{note.words} word{'' if note.words == 1 else 's'}</small>"
    return f"<li>{escape(note.text)}{counted}</li>"
