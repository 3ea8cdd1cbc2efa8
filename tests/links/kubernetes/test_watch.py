"""One watch for many readers: current, resumed, and honest about what it cannot know."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.links.kubernetes.api_server import api_server, kubeconfig, pod

from seatrial.links.kubernetes import Access, ApiAway, MissingRight, connect
from seatrial.links.kubernetes import watch as watches

LIMIT = 5.0


def run(test):
    async def limited():
        async with asyncio.timeout(LIMIT):
            await test

    asyncio.run(limited())


@asynccontextmanager
async def watched(folder):
    async with api_server() as server:
        server.pods = [pod("a", 3)]
        cluster = await connect(Access(kubeconfig=kubeconfig(folder, server.port)))
        try:
            async with cluster.watching(await cluster.kind("pods")) as watch:
                yield server, cluster, watch
        finally:
            await cluster.close()


async def until(watch, holds):
    while not holds():
        await watch.changed(watch.revision)


def names(watch):
    return sorted(name for _, name in watch.objects)


def test_a_watch_begins_with_what_is_there_and_follows_each_change(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            assert names(watch) == ["a"]
            server.events.put_nowait({"type": "ADDED", "object": pod("b", 11)})
            await until(watch, lambda: names(watch) == ["a", "b"])
            server.events.put_nowait({"type": "DELETED", "object": pod("a", 12)})
            await until(watch, lambda: names(watch) == ["b"])
            assert server.lists == 1

    run(test())


def test_objects_come_without_the_list_of_field_owners_and_with_their_kind(tmp_path):
    async def test():
        async with watched(tmp_path) as (_, _, watch):
            (thing,) = watch.objects.values()
            assert "managedFields" not in thing["metadata"]
            assert (thing["apiVersion"], thing["kind"]) == ("v1", "Pod")

    run(test())


def test_fifty_readers_share_one_list_and_one_watch(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, cluster, _):
            kind = await cluster.kind("po")

            async def reader():
                async with cluster.watching(kind) as watch:
                    await until(watch, lambda: "b" in names(watch))

            async with asyncio.TaskGroup() as group:
                for _ in range(50):
                    group.create_task(reader())
                await asyncio.sleep(0)
                server.events.put_nowait({"type": "ADDED", "object": pod("b", 11)})
            assert (server.lists, server.watched) == (1, ["10"])

    run(test())


def test_a_cut_watch_goes_on_after_the_last_event_without_a_new_list(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            server.events.put_nowait({"type": "ADDED", "object": pod("b", 17)})
            await until(watch, lambda: "b" in names(watch))
            server.events.put_nowait(None)
            server.events.put_nowait({"type": "ADDED", "object": pod("c", 18)})
            await until(watch, lambda: "c" in names(watch))
            assert (server.lists, server.watched) == (1, ["10", "17"])
            assert watch.problem is None

    run(test())


def test_a_bookmark_moves_the_place_to_go_on_from(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            server.events.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "40"}}})
            server.events.put_nowait(None)
            server.events.put_nowait({"type": "ADDED", "object": pod("b", 41)})
            await until(watch, lambda: "b" in names(watch))
            assert server.watched == ["10", "40"]

    run(test())


@pytest.mark.parametrize("how", ["as an event", "as the answer"])
def test_an_expired_version_lists_again(tmp_path, how):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            server.pods, server.version = [pod("b", 50)], 60
            if how == "as an event":
                server.events.put_nowait({"type": "ERROR", "object": expired})
            else:
                server.refuse_watch = (410, expired)
                server.events.put_nowait(None)
            await until(watch, lambda: names(watch) == ["b"])
            assert server.lists == 2
            assert server.watched[-1:] != [""]

    run(test())


def test_an_event_that_is_older_than_the_list_changes_nothing(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            server.pods, server.version = [pod("b", 20)], 20
            await watch.confirm()
            server.events.put_nowait({"type": "MODIFIED", "object": pod("a", 15)})
            server.events.put_nowait({"type": "ADDED", "object": pod("c", 21)})
            await until(watch, lambda: "c" in names(watch))
            assert names(watch) == ["b", "c"]

    run(test())


def test_a_server_that_goes_away_is_a_problem_and_one_that_returns_is_not(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            await server.stop()
            await until(watch, lambda: watch.problem is not None)
            assert isinstance(watch.problem, ApiAway)
            with pytest.raises(ApiAway):
                await watch.confirm()
            await server.start()
            await until(watch, lambda: watch.problem is None)

    run(test())


def test_a_list_that_is_slower_than_the_watch_takes_nothing_back(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            server.release = asyncio.Event()
            confirming = asyncio.create_task(watch.confirm())
            while server.lists < 2:
                await asyncio.sleep(0)
            server.events.put_nowait({"type": "ADDED", "object": pod("b", 11)})
            await until(watch, lambda: names(watch) == ["a", "b"])
            server.release.set()
            await confirming
            assert names(watch) == ["a", "b"]
            assert watch.listed == watch.begun == 2

    run(test())


FORBIDDEN = 'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "shop"'


def test_a_watch_that_begins_again_with_the_same_problem_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(watches, "LINGER", 0.0)

    async def test():
        async with api_server() as server:
            server.refusal = (403, {"reason": "Forbidden", "message": FORBIDDEN})
            cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, server.port)))
            kind = await cluster.kind("pods")
            async with cluster.watching(kind) as watch:
                assert isinstance(watch.problem, MissingRight)
            while watch.is_read:
                await asyncio.sleep(0)
            async with cluster.watching(kind) as watch:
                assert isinstance(watch.problem, MissingRight)
            await cluster.close()

    run(test())


def test_what_the_user_may_not_see_is_not_confirmed(tmp_path):
    async def test():
        async with api_server() as server:
            server.refusal = (403, {"reason": "Forbidden", "message": FORBIDDEN})
            cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, server.port)))
            async with cluster.watching(await cluster.kind("pods")):
                await cluster.confirm("shop")
            await cluster.close()

    run(test())


def test_a_missing_right_is_named(tmp_path):
    async def test():
        async with api_server() as server:
            server.refusal = (403, {"reason": "Forbidden", "message": FORBIDDEN})
            cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, server.port)))
            async with cluster.watching(await cluster.kind("pods")) as watch:
                assert isinstance(watch.problem, MissingRight)
                assert 'no right to list pods in the namespace "shop"' in str(watch.problem)
            await cluster.close()

    run(test())


def test_confirming_lists_again_once_for_all_who_wait(tmp_path):
    async def test():
        async with watched(tmp_path) as (server, _, watch):
            server.pods, server.version = [], 30
            await asyncio.gather(*(watch.confirm() for _ in range(20)))
            assert names(watch) == []
            assert server.lists == 2

    run(test())
