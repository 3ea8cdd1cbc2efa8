"""The libvirt provider on real machines: what the contract does not ask."""

import asyncio
import dataclasses
import re
import shutil
import subprocess

import pytest
from tests.backends import tables
from tests.backends.docker import ROOT
from tests.backends.machines import machines

from seatrial.errors import CannotTell, LinkLost, NodeFailed, Overrun
from seatrial.links.libvirt import Hypervisor
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import NodeSpec
from seatrial.providers.libvirt import Libvirt, copies, volumes, xml
from seatrial.providers.libvirt.images import brought, looked_at
from seatrial.providers.libvirt.names import File
from seatrial.providers.libvirt.probing import acceleration
from seatrial.testing import context, flow

CLOUD = ROOT / ".images" / "cloud.qcow2"
pytestmark = [pytest.mark.backend("libvirt"), pytest.mark.slow]


def trial(folder, settings):
    return context(folder, flow(provider="libvirt"), providers={"libvirt": settings})


async def nothing_is_left(ctx):
    assert not await Libvirt(ctx.suite.provider_settings).find(ctx.run_id)


@tables.ON_MACHINES
def test_a_machine_is_what_its_suite_says_and_its_power_has_reasons(libvirtd, tmp_path):
    async def scene():
        async with trial(tmp_path, machines(libvirtd)) as ctx:
            parameters = {"libvirt_memory": 176, "data_volumes_per_node": 1, "data_volume_size": "64M"}
            node = await ctx.create_node(NodeSpec(name="n11", ports={"a": 0, "b": 2379}, parameters=parameters))
            provider, link = ctx.provider, ctx.link(node)
            assert node.ports["a"] > 0
            assert node.ports["b"] == 2379
            script = "hostname; cat /sys/block/vdb/size; touch /var/lib/seatrial/x; getent hosts n11.seatrial.test"
            told = (await link.run(script)).stdout.split()
            assert told[:2] == ["n11", str(64 * 2048)]
            assert node.address in told
            assert "Linux version" in await provider.console(node) or "Server listening" in await provider.console(node)
            assert await provider.power_reason(node) == "running (booted)"
            await _ignores_its_power_button(ctx, node)
            # A command that runs while the power goes ends at once, and has no exit code.
            sleeping = asyncio.ensure_future(link.run(["sleep", "300"], timeout=300))
            while (await link.run("pidof sleep")).exit_code:
                pass
            await provider.crash(node)
            with pytest.raises(LinkLost):
                await asyncio.wait_for(sleeping, 5)
            assert await provider.power_reason(node) == "shut off (destroyed)"
            before = await provider.console(node)
            # A process of QEMU that dies is a crash, and nobody's order.
            await provider.start(node)
            _kill_qemu(str(node.detail["domain"]))
            while await provider.state(node) is not PowerState.STOPPED:
                await asyncio.sleep(0.05)
            assert await provider.power_reason(node) == "shut off (crashed)"
            assert (await provider.console(node)).startswith(before[:200]), "the console was begun anew"
            why = rf"the machine {node.detail['domain']} as shut off \(crashed\): see QEMU's log /var/log/libvirt/qemu/"
            assert re.search(why, await provider.failure(node))
            with pytest.raises(NodeFailed, match=why):
                await link.run(["true"])
        await nothing_is_left(ctx)

    asyncio.run(scene())


async def _ignores_its_power_button(ctx, node):
    """A guest that reboots and switches itself off for nobody stays as it is; its power is never taken by force."""
    provider, boot = ctx.provider, await ctx.provider.boot_id(node)
    deaf = "for name in reboot poweroff; do ln -sf /bin/true /sbin/$name; ln -sf /bin/true /usr/sbin/$name; done"
    assert (await ctx.link(node).run(deaf)).ok
    await provider.guest_reboot(node)
    assert await provider.boot_id(node) == boot
    assert await provider.state(node) is PowerState.RUNNING
    deadlines, provider.deadlines = provider.deadlines, {**provider.deadlines, "stop": 1.0}
    with pytest.raises(Overrun, match="did not shut down within 1 s of its power button"):
        await provider.stop(node)
    provider.deadlines = deadlines
    assert await provider.state(node) is PowerState.RUNNING, "it was forced"


def _kill_qemu(domain):
    found = subprocess.run(["pgrep", "-f", f"guest={domain},"], capture_output=True, text=True, check=True)
    subprocess.run(["kill", "-9", *found.stdout.split()], check=True)


@tables.ON_MACHINES
def test_a_kernel_without_its_disk_is_told_as_a_panic_with_the_console(libvirtd, tmp_path):
    async def scene():
        settings = machines(libvirtd, cmdline="root=/dev/vda rw console=ttyS0 panic=0 init=/none")
        async with trial(tmp_path, settings) as ctx:
            with pytest.raises(CannotTell, match=r"n11 did not come up: its kernel panicked") as raised:
                await ctx.create_node(NodeSpec(name="n11"))
            assert "panic" in raised.value.evidence
        await nothing_is_left(ctx)

    asyncio.run(scene())


def test_a_disk_without_a_loader_is_told(libvirtd, tmp_path):
    disk = tmp_path / "empty.img"
    disk.write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**20 - 512))
    with disk.open("r+b") as file:
        file.write(bytes.fromhex("cd18"))  # int 0x18: there is no system here

    async def scene():
        settings = {"uri": libvirtd, "image": str(disk), "memory": 64, "accelerate": "tcg"}
        async with trial(tmp_path, settings) as ctx:
            with pytest.raises(CannotTell, match="its firmware found nothing to boot"):
                await ctx.create_node(NodeSpec(name="n11"))
        await nothing_is_left(ctx)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "more, says",
    [
        ({"image": ""}, "has no image: name a disk image"),
        ({"image": "none.qcow2"}, "the file does not exist"),
        ({"pool": "nobody's"}, "libvirt has no such pool; it has:"),
        ({"accelerate": "kvm"}, "no guest boots under KVM here"),
    ],
)
def test_what_is_missing_is_told_and_nothing_is_left(more, says, libvirtd, tmp_path):
    async def scene():
        async with trial(tmp_path, machines(libvirtd, **more)) as ctx:
            if more.get("accelerate") == "kvm":
                await _without_kvm(ctx)
            with pytest.raises(CannotTell, match=says):
                await ctx.create_node(NodeSpec(name="n11"))
        await nothing_is_left(ctx)

    asyncio.run(scene())


async def _without_kvm(ctx):
    settings = dataclasses.replace(ctx.suite.provider_settings, accelerate="auto")
    hypervisor = Hypervisor(settings.uri)
    media, _ = await brought(hypervisor, settings, looked_at(settings, ROOT))
    how = await acceleration(hypervisor, settings, media)
    await hypervisor.close()
    if how.kvm:
        pytest.skip("KVM works here")


def test_a_full_disk_is_told_before_anything_is_made(libvirtd, tmp_path):
    async def scene():
        async with trial(tmp_path, machines(libvirtd, room_mb=10**9)) as ctx:
            with pytest.raises(CannotTell, match=r"no disk space for .*set providers\.libvirt\.folder elsewhere"):
                await ctx.create_node(NodeSpec(name="n11"))
        await nothing_is_left(ctx)

    asyncio.run(scene())


def test_a_subnet_of_this_hosts_own_is_never_taken(libvirtd, tmp_path):
    async def scene():
        async with (
            trial(tmp_path / "one", machines(libvirtd)) as one,
            trial(tmp_path / "two", machines(libvirtd)) as two,
        ):
            await one.provider.prepare(one)
            await two.provider.prepare(two)
            subnets = {ctx.provider._resources.subnet for ctx in (one, two)}
            assert len(subnets) == 2

    asyncio.run(scene())


def test_what_nobody_recorded_is_found_and_given_back(libvirtd, tmp_path):
    settings = machines(libvirtd)

    async def scene():
        async with trial(tmp_path, settings) as ctx:
            await ctx.provider.prepare(ctx)
            hypervisor = Hypervisor(libvirtd)
            loose = str(File(ctx.run_id, ctx.trial_id, "n19", "seed"))
            theirs = "my-own-disk.qcow2"

            def plant(connection):
                pool = volumes.pool_of(connection, settings_from(Libvirt, settings))
                for name in (loose, theirs):
                    volumes.write(connection, pool, name, b"x" * 1000)
                machine = xml.Machine(
                    name="planted",
                    kvm=False,
                    memory_mib=32,
                    disks=[],
                    labels={**ctx.labels(), "seatrial.node": "n18"},
                )
                connection.defineXML(xml.domain(machine, settings_from(Libvirt, settings)))

            await hypervisor.call("planting", plant)
            fresh = Libvirt(settings_from(Libvirt, settings))
            found = {one.kind: one for one in await fresh.find(ctx.run_id)}
            assert set(found) == {"node", "volume", "network"}
            assert found["volume"].name == loose
            assert all(one.detail["project"] == str(tmp_path) for one in found.values())
            assert all(one.detail["expires"] for one in found.values())
            assert {one.name for one in await fresh.find("*")} >= {one.name for one in found.values()}
            for one in [*found.values(), *found.values()]:
                await fresh.destroy(one)
            assert not await fresh.find(ctx.run_id)

            def still_theirs(connection):
                pool = volumes.pool_of(connection, settings_from(Libvirt, settings))
                names = volumes.look(pool)
                volumes.delete(pool, theirs)
                return theirs in names

            assert await hypervisor.call("looking", still_theirs)
            await hypervisor.close()

    asyncio.run(scene())


def test_where_libvirt_was_never_used_nothing_is_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path))
    nowhere = Libvirt(settings_from(Libvirt, {"uri": f"qemu+unix:///system?socket={tmp_path}/none"}))
    assert not asyncio.run(nowhere.find("*"))


def test_where_it_was_used_a_list_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    from seatrial.providers.libvirt.trial_resources import used_mark

    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path))
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    used_mark(uri).touch()
    with pytest.raises(CannotTell, match="no libvirt daemon answers"):
        asyncio.run(Libvirt(settings_from(Libvirt, {"uri": uri})).find("*"))


def test_readiness_says_what_is_missing(tmp_path):
    readiness = asyncio.run(
        Libvirt.readiness(settings_from(Libvirt, {"uri": f"qemu+unix:///system?socket={tmp_path}/none"}))
    )
    assert not readiness.ready
    assert "no libvirt daemon answers" in readiness.tried
    assert "apt-get install libvirt-daemon-system" in readiness.remedy


def test_an_image_that_changes_is_copied_anew(libvirtd, tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**20 - 512))

    async def scene():
        hypervisor = Hypervisor(libvirtd)
        settings = settings_from(Libvirt, {})

        def copy(connection):
            return copies.cached(connection, volumes.pool_of(connection, settings), image)

        first = await hypervisor.call("copying", copy)
        assert await hypervisor.call("copying", copy) == first
        shutil.copy(image, tmp_path / "other")
        (tmp_path / "other").replace(image)
        second = await hypervisor.call("copying", copy)
        assert second != first

        def drop(connection):
            pool = volumes.pool_of(connection, settings)
            for name in volumes.look(pool):
                if "disk.img" in name:
                    volumes.delete(pool, name)

        await hypervisor.call("dropping", drop)
        await hypervisor.close()

    asyncio.run(scene())


@tables.ON_MACHINES
@pytest.mark.skipif(not CLOUD.exists(), reason="`make backends` makes the image with cloud-init")
def test_a_cloud_image_boots_by_its_own_loader_and_is_told_by_its_seed(libvirtd, tmp_path):
    async def scene():
        async with trial(tmp_path, {"uri": libvirtd, "image": str(CLOUD), "memory": 512}) as ctx:
            node = await ctx.create_node(NodeSpec(name="n11", parameters={"root_volume_size": 4}))
            told = await ctx.link(node).run("hostname; cat /var/lib/cloud/data/result.json; ip -4 -br addr show eth0")
            assert told.stdout.split()[0] == "n11"
            assert node.address in told.stdout
            assert "Invalid cloud-config" not in await ctx.provider.console(node)

    asyncio.run(scene())
