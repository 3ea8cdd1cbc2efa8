"""Run examples/operator on the real cluster of this machine: `python3 -m scripts.operator [--times N] [FLOW …]`.

It builds the operator (Go's standard library alone), gives its image to the nodes, and runs the three flows together.
With `--alone` each runs by itself too, and the times are compared. With `--free-ports` a copy of the example runs, with
a state folder of its own, beside other servers on the fixed ports.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.cluster import images, shared
from scripts.cluster.spaces import Broken
from scripts.images import cache
from scripts.images.cache import Failed
from scripts.images.programs import run
from scripts.with_tools import environment

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "operator"
FLOWS = ("full.yaml", "quickstart-helm.yaml", "quickstart-manifest.yaml")
NAME = "localhost/seatrial/noticeboard"
FOLDER = cache.folder_of()
"""Where its image is kept; tests have another cache folder of their own later."""
OF_CLUSTER = ("prometheus", "targets", "api")
"""Services with the way to the cluster: it ends with this program, unless others use it."""
SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
PASSWORD = "only-for-this-example"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the worst exit code, or 1 when the cluster or the operator cannot be had."""
    parser = argparse.ArgumentParser(prog="operator", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--times", type=int, default=1, help="how often in sequence (default 1)")
    parser.add_argument("--alone", action="store_true", help="first each flow by itself, to compare the times")
    parser.add_argument("--free-ports", action="store_true", help="a copy of the example, without its fixed ports")
    parser.add_argument("flows", nargs="*", default=list(FLOWS), metavar="FLOW", help=f"default: {' '.join(FLOWS)}")
    options = parser.parse_args(argv)
    try:
        use = shared.join()
    except Broken as error:
        print(f"no cluster: {error}", file=sys.stderr)
        return 1
    try:
        given = {**environment(os.environ), **prepared(use)}
        with tempfile.TemporaryDirectory(prefix="seatrial-operator-") as place:
            folder = EXAMPLE
            if options.free_ports:
                folder = copied(Path(place) / "operator")
                given["XDG_STATE_HOME"] = f"{place}/state"
            codes = _all(options, folder, given)
            names = () if options.free_ports else OF_CLUSTER  # with free ports nobody else can use its services
            subprocess.run([SEATRIAL, "services", "stop", *names], cwd=folder, env=given, check=False)
    except (Broken, Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        codes = [1]
    if left := use.leave():
        print(f"left behind: {left}", file=sys.stderr)
    return max(codes) or int(bool(left))


def prepared(use: shared.Use) -> dict[str, str]:
    """The variables of the flows; the nodes have the operator's image. Failed or Broken with the reason."""
    archive, name = image()
    use.load(archive)
    return {
        "KUBECONFIG": str(use.kubeconfig),
        "POD_HOST": use.host,
        "NOTICEBOARD_IMAGE": name,
        "GITEA_PASSWORD": os.environ.get("GITEA_PASSWORD", PASSWORD),
    }


def image() -> tuple[Path, str]:
    """The operator's image as an archive, built unless it is there for this source; and its name."""
    go = shutil.which("go")
    if go is None:
        raise Failed("the operator is a Go program: install Go (https://go.dev/doc/install)")
    source = EXAMPLE / "controller"
    key = cache.key_of(source.iterdir(), (go, subprocess.check_output([go, "version"], text=True)))
    name = f"{NAME}:{key}"

    def make(folder: Path) -> None:
        program = folder / "noticeboard"
        settings = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        build = [go, "-C", str(source), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), "."]
        run(build, folder / "build.log", env=settings)
        layer = images.layer_of({"noticeboard": program.read_bytes()})
        images.pack(folder / "noticeboard.tar", name, layer, ["/noticeboard"])

    return cache.made("noticeboard", key, make, kind=str(FOLDER)) / "noticeboard.tar", name


def copied(folder: Path) -> Path:
    """A copy of the example in a new folder; its services get free ports."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".seatrial"))
    settings = folder / "seatrial.toml"
    settings.write_text(re.sub(r"^port = \d+\n", "", settings.read_text(), flags=re.MULTILINE))
    return folder


def _all(options: argparse.Namespace, folder: Path, given: Mapping[str, str]) -> list[int]:
    codes: list[int] = []
    alone = 0.0
    for flow in options.flows if options.alone else ():
        code, seconds = _flows([flow], folder, given)
        print(f"{flow} alone: exit code {code}, {seconds:.1f} s", flush=True)
        codes.append(code)
        alone = max(alone, seconds)
    for number in range(1, options.times + 1):
        code, seconds = _flows(options.flows, folder, given)
        compared = f", {seconds / alone:.2f} times the longest alone" if alone else ""
        print(f"together, {number} of {options.times}: exit code {code}, {seconds:.1f} s{compared}", flush=True)
        codes.append(code)
    return codes


def _flows(flows: Sequence[str], folder: Path, given: Mapping[str, str]) -> tuple[int, float]:
    """Run these flows at the same time; the exit code, and the seconds that the run took."""
    argv = [SEATRIAL, "run", *flows, "--parallel", str(len(flows))]
    begun = time.monotonic()
    code = subprocess.run(argv, cwd=folder, env=dict(given), check=False).returncode
    return code, time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
