"""The wheel alone is enough: built here, installed in a clean environment elsewhere, it runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
# Nothing of the checkout, of this test run or of the caller's own settings may reach the installed copy.
FOREIGN = ("PYTHON", "PYTEST", "SEATRIAL", "E2E_", "VIRTUAL_ENV", "COVERAGE")

pytestmark = pytest.mark.wheel


def clean_environment(state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "XDG_STATE_HOME": str(state)}


def call(*argv: str | Path, cwd: Path, deadline: float) -> subprocess.CompletedProcess[str]:
    """Run a command; a non-zero end is a failure that shows its output."""
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env=clean_environment(cwd / "state"),
        capture_output=True,
        text=True,
        timeout=deadline,
        check=False,
    )
    assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT,
        cwd=folder, deadline=120,
    )  # fmt: skip
    (built,) = folder.glob("seatrial-*.whl")
    return built


def test_the_wheel_carries_the_whole_package_its_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if "__pycache__" not in name}
    package = CHECKOUT / "src"
    wanted = {
        str(path.relative_to(package))
        for path in (package / "seatrial").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    carried = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert carried == wanted
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    environment = tmp_path / "venv"
    call(sys.executable, "-m", "venv", environment, cwd=home, deadline=60)
    pip = (environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    call(*pip, "-r", CHECKOUT / "requirements" / "runtime.txt", cwd=home, deadline=180)
    call(*pip, "--no-deps", wheel, cwd=home, deadline=60)

    where = call(
        environment / "bin" / "python", "-c", "import seatrial; print(seatrial.__file__)", cwd=home, deadline=30
    )
    assert Path(where.stdout.strip()).is_relative_to(environment), "the demo would run the checkout, not the wheel"

    call(environment / "bin" / "seatrial", "demo", cwd=home, deadline=60)
    results = sorted((home / ".seatrial" / "runs").glob("*/results.json"))
    assert len(results) == 1, f"the demo should leave one report, but {home} has {sorted(home.rglob('results.json'))}"
