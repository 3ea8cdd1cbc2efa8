"""The command that makes the real tools of tests: whole or not at all, and without Go it goes on."""

import shutil
import subprocess

import pytest
from scripts.images.cache import Failed
from scripts.real_tools import GoModule, Tool

from scripts import real_tools


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "cache"))


def test_each_tool_has_one_version_in_one_file():
    assert {"compose", "podman-compose", "tofu", "ansible"} <= set(real_tools.tools())
    for tool in real_tools.tools().values():
        assert tool.version in tool.key
        assert bool(tool.go) != bool(tool.pypi)
        assert all(pinned.endswith(f"=={tool.version}") for pinned in tool.pypi)


def test_an_unknown_tool_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        real_tools.main(["tofi"])
    assert "tofi: no such tool; there are compose, tofu, ansible, podman-compose" in capsys.readouterr().err


def test_what_only_a_benchmark_needs_is_made_only_when_it_is_named(monkeypatch):
    made = []
    monkeypatch.setattr(real_tools, "provide", lambda tool, *, force: made.append(tool.name))
    assert real_tools.main([]) == 0
    assert "chainsaw" not in made
    assert {"kubernetes", "helm", "compose"} <= set(made)
    assert real_tools.main(["chainsaw"]) == 0
    assert made[-1] == "chainsaw"


def test_without_go_it_says_so_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert real_tools.main(["tofu"]) == 0
    assert "tofu: left out, its tests are skipped: Go is not installed" in capsys.readouterr().out
    assert not real_tools.tools()["tofu"].folder.exists()


def test_a_go_that_is_too_old_is_named_with_its_version(tmp_path, monkeypatch, capsys):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert real_tools.main(["compose"]) == 0
    assert f"{go} is too old: go version go1.19.8 linux/amd64; it needs Go 1.21" in capsys.readouterr().out


@pytest.mark.slow
def test_a_distribution_is_installed_whole_and_its_programs_run_from_their_final_place(tmp_path):
    source = tmp_path / "hello"
    source.mkdir()
    (source / "hello.py").write_text("def main(): print('hello')\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "hello"\nversion = "1.0"\n'
    )
    (source / "backend.py").write_text(
        "import zipfile\n"
        "def build_wheel(folder, *_):\n"
        "    name = 'hello-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:\n"
        "        wheel.write('hello.py')\n"
        "        info = 'hello-1.0.dist-info'\n"
        "        wheel.writestr(f'{info}/METADATA', 'Metadata-Version: 2.1\\nName: hello\\nVersion: 1.0\\n')\n"
        "        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(f'{info}/entry_points.txt', '[console_scripts]\\nhello = hello:main\\n')\n"
        "        wheel.writestr(f'{info}/RECORD', '')\n"
        "    return name\n"
    )
    tool = Tool(name="hello", version="1.0", program="hello", pypi=["--no-index", str(source)])
    folder = real_tools.provide(tool)
    assert folder == tool.folder
    done = subprocess.run([tool.path], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"


@pytest.mark.slow
def test_what_pip_does_not_find_is_told_and_nothing_is_kept():
    tool = Tool(name="nothing", version="1.0", program="nothing", pypi=["--no-index", "seatrial-has-no-such==1.0"])
    with pytest.raises(Failed, match=r"seatrial-has-no-such==1\.0"):
        real_tools.provide(tool)
    assert not tool.folder.exists()


def test_what_go_does_not_fetch_is_told_with_its_words(tmp_path, monkeypatch):
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\n[ $1 = version ] && echo go version go1.26.0 || echo \'{"Error": "not served"}\'\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tool = Tool(name="none", version="1.0", program="none", go=GoModule(module="seatrial.example/none", packages=["."]))
    with pytest.raises(Failed, match=r"go did not fetch seatrial\.example/none@v1\.0: not served"):
        real_tools.provide(tool)
    assert not tool.folder.exists()


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_what_a_module_has_in_folders_beside_it_is_taken_from_its_releases(tmp_path):
    (tmp_path / "go.mod").write_text(
        "module seatrial.example/whole\n\ngo 1.21\n\nrequire (\n"
        "\tseatrial.example/part v0.0.0\n\tseatrial.example/other v1.2.3\n\tseatrial.example/fork v1.0.0\n)\n"
        "replace seatrial.example/part => ./staging/part\nreplace seatrial.example/other => ../other\n"
        "replace seatrial.example/fork => seatrial.example/better v1.1.0\n"
    )
    assert real_tools._take_published("go", tmp_path, "0.35.4", tmp_path / "log")
    mod = (tmp_path / "go.mod").read_text()
    assert "seatrial.example/part v0.35.4" in mod
    assert "seatrial.example/other v1.2.3" in mod
    assert mod.count("=>") == 1
    assert not real_tools._take_published("go", tmp_path, None, tmp_path / "log")
