"""The stand-in for Kamal: it reads the app's real configuration whole, and refuses what it does not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "examples" / "webapp"
sys.path.insert(0, str(APP / "harness"))

from kamal.configuration import Configuration, read  # noqa: E402 - found by the line above
from kamal.erb import Wrong, render  # noqa: E402

SECRETS = {"MY_SECRET": "hush", "POSTGRES_PASSWORD": "pg-hush", "KAMAL_REGISTRY_PASSWORD": "reg-hush"}
TOLD = {"WEB_IP": "10.0.0.1", "MY_VAR": "blue", "SSH_KEY_FILE": "/k", "BASE_IMAGE": "base", **SECRETS}


def read_app(**more: str) -> Configuration:
    return read(APP, {**TOLD, **more})


def read_changed(folder: Path, old: str, new: str) -> Configuration:
    (folder / "config").mkdir()
    (folder / ".kamal").mkdir()
    (folder / ".kamal" / "secrets").write_text((APP / ".kamal" / "secrets").read_text())
    text = (APP / "config" / "deploy.yml").read_text()
    assert old in text
    (folder / "config" / "deploy.yml").write_text(text.replace(old, new))
    return read(folder, TOLD)


def test_without_workers_and_a_database_there_is_the_web_server_alone() -> None:
    told = read_app()
    assert [(role.name, role.hosts) for role in told.roles] == [("web", ("10.0.0.1",)), ("workers", ())]
    assert told.accessories == ()
    assert told.environment.clear["POSTGRES_HOST"] == ""
    assert told.proxy.hosts == ("10.0.0.1", "webapp.10.0.0.1.nip.io")
    assert told.arguments == {"BASE": "base"}


def test_workers_and_the_database_are_where_the_environment_says() -> None:
    told = read_app(WORKER_IPS="10.0.0.2,10.0.0.3", DB_IP="10.0.0.4")
    assert told.hosts == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert told.roles[1].command == ("python3", "-m", "webapp.worker")
    (database,) = told.accessories
    assert (database.host, database.port, database.image) == ("10.0.0.4", "5432:5432", "postgres:17")
    assert told.environment.clear["POSTGRES_HOST"] == "10.0.0.4"


def test_secrets_are_in_the_file_for_the_container_and_in_no_representation() -> None:
    told = read_app(DB_IP="10.0.0.4")
    file = told.environment.file({"KAMAL_VERSION": "1"})
    assert "MY_SECRET=hush\n" in file
    assert "MY_VAR=blue\n" in file
    assert "hush" not in repr(told)


def test_a_secret_without_a_value_is_named() -> None:
    environment = {name: value for name, value in TOLD.items() if name != "MY_SECRET"}
    with pytest.raises(Wrong, match="no value for MY_SECRET"):
        read(APP, environment)


def test_a_secret_with_a_line_break_is_refused_without_being_told() -> None:
    with pytest.raises(Wrong, match="MY_SECRET has a line break") as caught:
        read_app(MY_SECRET="hush\nhush").environment.file({})
    assert "hush" not in str(caught.value)


def test_a_key_that_it_does_not_know_is_refused_with_those_it_knows(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="does not know hooks; it knows service, image"):
        read_changed(tmp_path, "allow_empty_roles: true", "hooks: {}\nallow_empty_roles: true")


def test_a_role_without_hosts_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="no servers for the role workers"):
        read_changed(tmp_path, "allow_empty_roles: true\n", "")


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="no name or address"):
        read_changed(tmp_path, '[<%= ENV["WEB_IP"] %>]', "['-oProxyCommand=x']")


@pytest.mark.parametrize(
    "text, expected",
    [
        ('a <%= ENV["A"] %> b', "a 1 b"),
        ('<%= ENV.fetch("B", "none") %>', "none"),
        ("<%= ENV.fetch('A') %>", "1"),
        ('<% unless ENV["B"].to_s.empty? %>x<% end %>y', "y"),
        ('<% unless ENV["A"].to_s.empty? %>x<% end %>y', "xy"),
    ],
)
def test_ruby_that_asks_the_environment_is_known(text: str, expected: str) -> None:
    assert render(text, {"A": "1"}, "deploy.yml") == expected


@pytest.mark.parametrize(
    "text", ["<%= `id` %>", "\n<% system('id') %>", '<%= ENV.fetch("B") %>', '<% unless ENV["A"].to_s.empty? %>']
)
def test_other_ruby_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Wrong, match=r"deploy\.yml"):
        render(text, {"A": "1"}, "deploy.yml")


def test_the_command_says_that_it_is_a_stand_in(tmp_path: Path) -> None:
    def kamal(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "kamal", *words]
        env = {"PYTHONPATH": str(APP / "harness"), "PATH": "/usr/bin:/bin"}
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert kamal("version").stdout == "2 (stand-in)\n"
    wrong = kamal("deploy")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("kamal (stand-in): config/deploy.yml: there is no such file")
