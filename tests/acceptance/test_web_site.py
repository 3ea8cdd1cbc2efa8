"""What the page of checks asks of a web site passes through the real command, and fails where the site is wrong."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from tests.acceptance.harness import Project, only, suite
from tests.checks.http.site import Site, serving
from tests.links.test_tcp import closed_port

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "checks.md"
SECRET = "tide-table-of-0412"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def secure(project: Project) -> Iterator[Site]:
    authority = trustme.CA(organization_name="Harbour Office")
    authority.cert_pem.write_to_path(str(project.folder / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("app.example", "*.app.example").configure_cert(tls)
    with serving(tls) as site:
        yield site


def steps(site: Site, secure: Site) -> list[Any]:
    """What the page shows, with the ports of this site."""
    (text,) = re.findall(r"## A web site\n.*?```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ports = {"8080": site.server_port, "8443": secure.server_port, "8081": closed_port()}
    for port, ours in ports.items():
        assert f":{port}" in text
        text = text.replace(f":{port}", f":{ours}")
    read: list[Any] = yaml.safe_load(text)
    return read


def verdicts(project: Project, document: Any, code: int, **env: str) -> tuple[list[Any], str]:
    """The results of the checks of a run that ends with this exit code, and all that it printed."""
    project.write("trial.json", document)
    done = project.seatrial("run", "trial.json", "--debug", env={**project.environment, **env})
    assert done.returncode == code, done.stdout + done.stderr
    rows = only(project.results()["results"])["workflow_steps"]
    return [one for row in rows for one in row.get("validation_results", ())], done.stdout + done.stderr


def test_what_the_page_shows_passes_on_a_site_that_is_well(project: Project, site: Site, secure: Site) -> None:
    site.late = 3
    seen, _ = verdicts(project, suite(*steps(site, secure)), 0)
    assert [one["verdict"] for one in seen] == ["passed"] * 7
    assert only([one["attempts"] for one in seen if "/health" in one["check"]]) > 1
    assert project.left() == []


def test_a_site_that_loses_and_cuts_fails_at_the_right_checks(project: Project, site: Site, secure: Site) -> None:
    site.forgetful, site.spoil = True, lambda content: content[:4096]
    (step,) = steps(site, secure)
    step["checks"][1]["contains"] = "Notes"
    step["checks"][1]["then"]["within"] = "3s"
    step["checks"][5]["tls"]["names"] = "other.example"
    seen, printed = verdicts(project, suite(step), 1)
    wrong = {one["check"]: one["why"] for one in seen if one["verdict"] == "failed"}
    assert sorted(wrong) == ["a note is kept", "a photo comes back as it was sent", "the certificate is ours"]
    assert "within 3 s: the body does not contain 'Ahoy from" in wrong["a note is kept"]
    assert "only the first 4096 of 1048576 bytes came back" in printed
    assert "does not cover other.example" in printed


def test_secrets_that_a_site_is_sent_and_tells_stand_nowhere(project: Project, site: Site) -> None:
    check: dict[str, Any] = {
        "check": "http",
        "url": f"{site.url}/${{{{ secrets.KEY }}}}",
        "method": "POST",
        "contains": "no such text",
    }
    check |= {"headers": {"X-Key": "${{ secrets.KEY }}"}, "form": {"key": "${{ secrets.KEY }}"}}
    lost = {**check, "name": "nobody", "url": f"http://127.0.0.1:{closed_port()}/${{{{ secrets.KEY }}}}"}
    led = {"check": "http", "name": "led", "url": f"{site.url}/to?302:/x?${{{{ secrets.KEY }}}}", "location": "/"}
    step = {"step": "validate", "checks": [check, lost, led]}
    seen, printed = verdicts(project, suite(step), 1, KEY=SECRET)
    assert [one["verdict"] for one in seen] == ["failed"] * 3
    assert SECRET in str(site.seen), "it was really sent"
    assert SECRET not in printed
    texts = [file for file in (project.folder / ".seatrial").rglob("*") if file.is_file()]
    assert [file for file in texts if SECRET.encode() in file.read_bytes()] == []
