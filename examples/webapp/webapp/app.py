"""The web app: `uvicorn --factory webapp.app:app`."""

from __future__ import annotations

from dataclasses import asdict

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from webapp import settings as environment
from webapp.notes import LONGEST, notes_of
from webapp.page import page
from webapp.settings import Settings
from webapp.uploads import Uploads
from webapp.worker import alive


class App:
    """Answers requests. Stores block, so they are called in threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notes = notes_of(settings)
        self._uploads = Uploads(settings.storage)

    async def index(self, _request: Request) -> Response:
        notes = await run_in_threadpool(self._notes.all)
        uploads = await run_in_threadpool(self._uploads.names)
        return HTMLResponse(page(notes, uploads, in_database=self._settings.has_database))

    async def add_note(self, request: Request) -> Response:
        form = await request.form()
        text = str(form.get("text") or "").strip()
        if not 0 < len(text) <= LONGEST:
            return PlainTextResponse(f"`text` has to have 1 to {LONGEST} characters\n", 422)
        await run_in_threadpool(self._notes.add, text)
        return RedirectResponse("/", 303)

    async def notes(self, _request: Request) -> Response:
        notes = await run_in_threadpool(self._notes.all)
        return JSONResponse({"notes": [asdict(note) for note in notes]})

    async def add_upload(self, request: Request) -> Response:
        form = await request.form()
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return PlainTextResponse("`file` has to be a file\n", 422)
        try:
            await run_in_threadpool(self._uploads.add, file.filename or "", await file.read())
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 422)
        finally:
            await form.close()
        return RedirectResponse(f"/uploads/{file.filename}", 303)

    async def upload(self, request: Request) -> Response:
        path = await run_in_threadpool(self._uploads.path, request.path_params["name"])
        if path is None:
            return PlainTextResponse("there is no such upload\n", 404)
        return FileResponse(path, media_type="application/octet-stream")

    async def workers(self, _request: Request) -> Response:
        names = await run_in_threadpool(alive, self._settings) if self._settings.has_database else []
        return JSONResponse({"workers": names})

    async def up(self, _request: Request) -> Response:
        """Whether it can do its work: without a database too, when none is configured."""
        health = {"status": "ok", "version": self._settings.version}
        try:
            health["database"] = await run_in_threadpool(self._notes.health)
        except Exception as error:  # any error: show its kind only, because its text may hold names
            health |= {"status": "failing", "database": f"no answer: {type(error).__name__}"}
        return JSONResponse(health, 200 if health["status"] == "ok" else 503)

    def routes(self) -> list[Route]:
        """Its addresses."""
        return [
            Route("/", self.index),
            Route("/notes", self.add_note, methods=["POST"]),
            Route("/notes.json", self.notes),
            Route("/uploads", self.add_upload, methods=["POST"]),
            Route("/uploads/{name}", self.upload),
            Route("/workers.json", self.workers),
            Route("/up", self.up),
        ]


def app(settings: Settings | None = None) -> Starlette:
    """The app for these settings, else for the environment's."""
    return Starlette(routes=App(settings or environment.settings()).routes())
