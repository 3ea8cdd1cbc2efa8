"""The app without a database, over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from webapp.app import app
from webapp.settings import Settings, settings


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(app(Settings(storage=tmp_path, version="abc")), follow_redirects=False)


def test_it_is_healthy_without_a_database_and_says_so(client: TestClient) -> None:
    told = client.get("/up")
    assert (told.status_code, told.json()) == (200, {"status": "ok", "version": "abc", "database": "not configured"})
    assert "There is no database" in client.get("/").text
    assert client.get("/workers.json").json() == {"workers": []}


def test_it_is_not_healthy_when_its_database_does_not_answer(tmp_path: Path) -> None:
    there = Settings(storage=tmp_path, host="127.0.0.1", port=1, password="hush")
    told = TestClient(app(there)).get("/up")
    assert told.status_code == 503
    assert told.json()["database"] == "no answer: OperationalError"
    assert "hush" not in told.text + repr(there)


def test_a_note_that_was_posted_is_on_the_page_and_in_the_list_also_after_a_restart(
    client: TestClient, tmp_path: Path
) -> None:
    posted = client.post("/notes", data={"text": "reef the <main> sail"})
    assert (posted.status_code, posted.headers["location"]) == (303, "/")
    client.post("/notes", data={"text": "second"})
    assert "<li>reef the &lt;main&gt; sail</li>" in client.get("/").text
    again = TestClient(app(Settings(storage=tmp_path)))
    texts = [note["text"] for note in again.get("/notes.json").json()["notes"]]
    assert texts == ["second", "reef the <main> sail"]


@pytest.mark.parametrize("text", ["", "   ", "x" * 10_001])
def test_a_note_that_is_none_is_refused(client: TestClient, text: str) -> None:
    assert client.post("/notes", data={"text": text}).status_code == 422
    assert client.get("/notes.json").json() == {"notes": []}


def test_an_upload_comes_back_byte_for_byte(client: TestClient) -> None:
    content = bytes(range(256)) * 1000
    posted = client.post("/uploads", files={"file": ("chart.bin", content)})
    assert (posted.status_code, posted.headers["location"]) == (303, "/uploads/chart.bin")
    assert client.get("/uploads/chart.bin").content == content
    assert "chart.bin" in client.get("/").text


@pytest.mark.parametrize("name", ["../outside", ".hidden", "a/b", "a b"])
def test_a_name_that_leads_elsewhere_is_refused(client: TestClient, tmp_path: Path, name: str) -> None:
    assert client.post("/uploads", files={"file": (name, b"x")}).status_code == 422
    assert list(tmp_path.rglob("*")) == []


def test_what_is_no_upload_is_not_found(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    assert client.get("/uploads/nothing.bin").status_code == 404
    assert client.get("/uploads/..%2Fsecret").status_code == 404
    assert client.post("/uploads", data={"file": "no file"}).status_code == 422


def test_the_environment_says_what_it_is_given() -> None:
    told = settings({"POSTGRES_HOST": "10.0.0.3", "POSTGRES_PASSWORD": "p", "STORAGE": "/s", "KAMAL_VERSION": "v"})
    assert told == Settings(storage=Path("/s"), host="10.0.0.3", password="p", version="v")
    assert told.has_database
    assert not settings({"POSTGRES_HOST": " "}).has_database
