"""`actions/setup-…`: checks for a program; this runner installs nothing."""

from __future__ import annotations

from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionCall, ActionFailed

PROGRAMS = {
    "dotnet": "dotnet",
    "go": "go",
    "java": "java",
    "node": "node",
    "python": "python3",
    "ruby": "ruby",
}
"""Each action's subject, and the program needed on PATH."""


async def setup(call: ActionCall) -> None:
    """Log the requested and the installed version; `python` is made if only `python3` exists."""
    name = call.action.rpartition("setup-")[2].lower()
    if name not in PROGRAMS:
        raise ActionFailed(
            f"this runner does not know {call.action}; it knows setup-{', setup-'.join(sorted(PROGRAMS))}"
        )
    wanted = next((one for key, one in call.inputs.items() if key.startswith(f"{name}-version")), "")
    call.host.log(f"Asked for: {name} {wanted or '(any version)'}")
    program = call.host.which(PROGRAMS[name])
    if program is None:
        raise ActionFailed(
            f"{call.action}: the program {PROGRAMS[name]!r} is not on PATH, and this runner installs nothing"
        )
    version = ["version"] if name == "go" else ["-version"] if name == "java" else ["--version"]
    if code := await call.execute([program, *version]):
        raise ActionFailed(f"{program} {version[0]} ended with exit code {code}")
    call.host.log(f"Taken: {program}")
    if name == "python" and call.host.which("python") is None:
        folder = Path(call.tools) / "python"
        folder.mkdir(exist_ok=True)
        (folder / "python").symlink_to(program)
        call.host.add_path(str(folder))
    call.outputs |= {f"{name}-version": wanted, f"{name}-path": program}
