"""One call of the engine for all containers that are asked about at the same time."""

import asyncio
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine, NoSuchThing
from seatrial.providers.containers.queries import Looks

SCRIPT = """#!/bin/sh
# container inspect --format FORM NAME …
echo "$*" >>"$0.calls"
shift 4
[ -e "$0.broken" ] && { echo "Error: the store is locked" >&2; exit 125; }
code=0
for name; do
    case $name in
        gone*) echo "Error: no such container $name" >&2; code=125 ;;
        *) echo "/$name|running|2026-01-01T00:00:00Z|0|false|t1|t1 " ;;
    esac
done
exit $code
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "engine"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


def calls(program: Path) -> int:
    return len(Path(f"{program}.calls").read_text().splitlines())


def test_those_who_ask_at_the_same_time_share_a_call_and_who_asks_later_gets_a_new_one(program: Path) -> None:
    async def scene() -> None:
        looks, engine = Looks(), Engine(str(program), "docker")
        seen = await asyncio.gather(*(looks.at(engine, f"n{number}") for number in (11, 12, 13, 11)))
        assert [one.status for one in seen] == ["running"] * 4
        assert calls(program) == 1
        first = asyncio.ensure_future(looks.at(engine, "n11"))
        while calls(program) < 2:
            await asyncio.sleep(0.001)
        await asyncio.gather(first, looks.at(engine, "n11"))
        assert calls(program) == 3, "an answer was of a call that began before it was asked for"

    asyncio.run(scene())


def test_one_that_is_gone_does_not_hide_the_others(program: Path) -> None:
    async def scene() -> None:
        looks, engine = Looks(), Engine(str(program), "podman")
        wanted = [looks.at(engine, name) for name in ("n11", "gone", "n13")]
        one, two, three = await asyncio.gather(*wanted, return_exceptions=True)
        assert not isinstance(one, BaseException)
        assert one.status == "running"
        assert isinstance(two, NoSuchThing)
        assert not isinstance(three, BaseException)
        assert not three.out_of_memory

    asyncio.run(scene())


def test_an_engine_that_fails_is_told_to_all(program: Path) -> None:
    Path(f"{program}.broken").touch()

    async def scene() -> None:
        looks, engine = Looks(), Engine(str(program), "podman")
        answers = await asyncio.gather(*(looks.at(engine, name) for name in ("n11", "n12")), return_exceptions=True)
        assert [type(one) for one in answers] == [CannotTell, CannotTell]
        assert "store is locked" in str(answers[0])
        assert calls(program) == 1

    asyncio.run(scene())
