"""KVM or emulation: what decides it, what is remembered, and what happens when KVM fails after all."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.errors import CannotTell, NodeFailed
from seatrial.links.libvirt import Hypervisor
from seatrial.loading.provider_settings import settings_from
from seatrial.model.resource import NodeSpec
from seatrial.providers.libvirt import Libvirt, listing, machine, names, probing, volumes
from seatrial.providers.libvirt import creation as building
from seatrial.providers.libvirt.images import Media
from seatrial.providers.libvirt.probing import Acceleration, acceleration, give_up_kvm
from seatrial.providers.libvirt.trial_resources import TrialResources
from seatrial.testing import context, flow

MEDIA = Media("/pool/image", "/pool/kernel", "/pool/initrd", "qcow2", 2**30)
STALLED = "the kernel did not reach user space under KVM: it stood still"


class Daemon(Hypervisor):
    """A connection that knows its versions only."""

    def __init__(self, qemu=7_002_000, uri="qemu:///system"):
        super().__init__(uri)
        self._connection = SimpleNamespace(getVersion=lambda: qemu, getLibVersion=lambda: 9_000_000)

    async def call(self, what, work, *, timeout=60.0):
        return work(self._connection)


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def booted(monkeypatch):
    """What was booted; each boot ends as `booted.why` has it."""
    seen = SimpleNamespace(media=[], why="")

    async def boot(_hypervisor, _settings, media):
        seen.media.append(media)
        await asyncio.sleep(0)
        return seen.why

    monkeypatch.setattr(probing, "why_no_user_space", boot)
    return seen


def ask(media=MEDIA, daemon=None, **settings):
    return asyncio.run(acceleration(daemon or Daemon(), settings_from(Libvirt, settings), media))


def test_the_kernel_is_booted_once_and_the_answer_is_remembered(booted):
    assert ask() == ask() == Acceleration(True, "the kernel booted to user space under KVM")
    assert booted.media == [MEDIA]


def test_a_kernel_that_does_not_reach_user_space_means_emulation_and_the_reason_stays(booted):
    booted.why = STALLED
    assert ask() == ask() == Acceleration(False, STALLED)
    assert len(booted.media) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"media": replace(MEDIA, kernel="/pool/another")},
        {"media": replace(MEDIA, image="/pool/another")},
        {"daemon": Daemon(qemu=8_000_000)},
        {"daemon": Daemon(uri="qemu:///session")},
        {"machine": "pc"},
        {"cpu": "host-model"},
        {"cmdline": "console=ttyS0"},
    ],
    ids=["kernel", "image", "qemu", "daemon", "machine", "cpu", "cmdline"],
)
def test_what_decides_is_in_the_key(other, booted):
    ask()
    ask(**other)
    assert len(booted.media) == 2


def test_another_boot_of_this_host_is_another_question(booted, monkeypatch):
    ask()
    monkeypatch.setattr(Path, "read_text", _another_boot(Path.read_text))
    ask()
    assert len(booted.media) == 2


def _another_boot(read):
    return lambda path, *more: "another" if path.name == "boot_id" else read(path, *more)


def test_of_several_at_once_one_boots(booted):
    async def scene():
        return await asyncio.gather(*(acceleration(Daemon(), settings_from(Libvirt, {}), MEDIA) for _ in range(3)))

    assert len(set(asyncio.run(scene()))) == 1
    assert len(booted.media) == 1


def test_emulation_that_was_asked_for_is_not_probed(booted):
    assert not ask(accelerate="tcg").kvm
    assert not booted.media


def test_who_insists_on_kvm_gets_the_reason_and_the_file_of_the_answer(booted):
    booted.why = STALLED
    with pytest.raises(CannotTell, match=r"no guest boots under KVM here: .* stood still; .*kvm-[0-9a-f]{16}\.json"):
        ask(accelerate="kvm")


def test_an_answer_that_turned_out_wrong_is_replaced(booted):
    assert ask().kvm
    asyncio.run(give_up_kvm(Daemon(), settings_from(Libvirt, {}), MEDIA, "paused (unknown; QEMU: internal-error)"))
    assert ask() == Acceleration(False, "a machine broke down under KVM: paused (unknown; QEMU: internal-error)")
    assert len(booted.media) == 1


@pytest.fixture
def creation(monkeypatch, tmp_path):
    """Make nodes under KVM at libvirt's test driver; boots end as `creation.ends` has it, one after another."""
    seen = SimpleNamespace(ends=[], built=[], given_back=[])

    def build(_connection, _who, detail, *_):
        seen.built.append(detail["acceleration"])

    async def until_let_in(*_):
        if seen.ends and (error := seen.ends.pop(0)):
            raise error

    async def away(_self, kind, detail):
        seen.given_back.append((kind, detail["node"]))

    monkeypatch.setattr(building, "build", build)
    monkeypatch.setattr(building, "until_let_in", until_let_in)
    monkeypatch.setattr(Libvirt, "_away", away)
    key = tmp_path / "key"
    key.with_suffix(".pub").write_text("ssh-ed25519 AAAA")

    async def create(accelerate="auto", names=("n11",)):
        settings = {"uri": "test:///default", "image": "x", "accelerate": accelerate}
        async with context(tmp_path, flow(provider="libvirt"), providers={"libvirt": settings}) as ctx:
            provider = Libvirt(settings_from(Libvirt, settings))
            provider._say = ctx.log
            provider._resources = TrialResources(
                media=MEDIA,
                how=Acceleration(True, "it booted"),
                subnet="10.81.7.0/24",
                network="net",
                key=key,
            )
            nodes = await asyncio.gather(*(provider.create(NodeSpec(name=name), ctx) for name in names))
            remembered = await acceleration(
                provider._hypervisor, settings_from(Libvirt, {**settings, "accelerate": "auto"}), MEDIA
            )
            await provider._hypervisor.close()
            return [node.detail["acceleration"] for node in nodes], remembered

    seen.create = create
    return seen


def test_a_machine_that_breaks_down_under_kvm_is_made_again_by_emulation(creation):
    creation.ends = [NodeFailed("paused (unknown; QEMU: internal-error)")]
    nodes, remembered = asyncio.run(creation.create())
    assert nodes == ["emulation"]
    assert creation.built == ["kvm", "emulation"]
    assert creation.given_back == [("node", "n11")]
    assert not remembered.kvm
    assert "internal-error" in remembered.why


def test_several_that_break_down_at_once_are_all_made_again(creation):
    creation.ends = [NodeFailed("internal-error"), NodeFailed("internal-error")]
    nodes, _ = asyncio.run(creation.create(names=("n11", "n12")))
    assert nodes == ["emulation", "emulation"]


@pytest.mark.parametrize(
    "accelerate, errors",
    [
        ("kvm", [NodeFailed("internal-error")]),
        ("auto", [machine.DiskFailed("no space left")]),
        ("auto", [CannotTell("no SSH server")]),
        ("auto", [NodeFailed("internal-error"), NodeFailed("shut off (crashed)")]),
    ],
)
def test_what_emulation_does_not_help_is_not_tried_again(accelerate, errors, creation, booted):
    last = errors[-1]
    creation.ends = list(errors)
    with pytest.raises(type(last), match=str(last).replace("(", r"\(").replace(")", r"\)")):
        asyncio.run(creation.create(accelerate))
    assert not creation.ends


def test_files_of_a_probe_that_was_killed_are_known_by_its_process(monkeypatch):
    mine = f"{names.probe_files(names.new_probe())}root"
    dead = "seatrial-probe-0123456789ab.999999999-7.console"
    theirs = "seatrial-cache-guest-0123"
    monkeypatch.setattr(volumes, "look", lambda _pool: [mine, dead, theirs])
    assert listing.forgotten_files(None) == [dead]


@pytest.mark.parametrize("error, broken_off", [(NodeFailed("internal-error"), 1), (None, 0), (CannotTell("gone"), 0)])
def test_a_machine_that_qemu_stops_loses_its_connections_at_once(error, broken_off, monkeypatch):
    aborted = []

    def sound(_connection, name):
        assert name == "n11"
        if error:
            raise error

    monkeypatch.setattr(machine, "sound", sound)

    async def scene():
        provider = Libvirt(settings_from(Libvirt, {"uri": "test:///default"}))
        link: Any = SimpleNamespace(abort=lambda: aborted.append("n11"))
        provider._links["n11"] = link
        provider._told("n11", "suspended")
        provider._told("somebody else's", "suspended")
        assert len(provider._looks) == 1
        await asyncio.gather(*provider._looks)
        await provider._hypervisor.close()

    asyncio.run(scene())
    assert len(aborted) == broken_off
