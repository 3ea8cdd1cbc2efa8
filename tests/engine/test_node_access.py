"""How a person gets into what is kept."""

from pathlib import Path

from seatrial.engine.node_access import exec_command, ssh_command
from seatrial.model.resource import Connection, Node
from seatrial.registry import provider
from seatrial.testing import FakeProvider, FakeRun, World, doing, fake_registry, flow, virtual_time

KNOWN = Path("/run/known_hosts")


@provider("by_exec")
class ByExec(FakeProvider):
    """Its nodes have no SSH."""

    def enter(self, node: Node) -> list[str]:
        return ["podman", "exec", "-it", str(node.detail["resource"]), "sh"]


async def deploys(ctx):
    await ctx.system.deploy(ctx)


def kept(tmp_path, name):
    registry = fake_registry()
    registry.add(ByExec)
    world = World()
    suite = flow(doing(deploys), provider=name)
    settings = {name: {"world": world}}
    run = FakeRun(tmp_path, suite, registry=registry, providers=settings, world=world, keep="always")
    with virtual_time() as clock:
        clock.run(run.run())
    return [event for event in run.of("resource", op="kept") if event.data["kind"] == "node"]


def test_a_node_with_no_ssh_is_entered_as_its_provider_says(tmp_path):
    told = kept(tmp_path, "by_exec")
    assert [event.data["reach"] for event in told] == [f"podman exec -it {event.data['name']} sh" for event in told]
    assert len(told) == 3


def test_a_node_that_nobody_can_enter_is_kept_without_a_word_of_it(tmp_path):
    told = kept(tmp_path, "fake")
    assert len(told) == 3
    assert not any("reach" in event.data for event in told)


def test_the_command_has_all_that_the_record_says_and_nothing_of_the_persons_own():
    ssh = {"host": "192.0.2.7", "port": 2222, "user": "debian", "key": "/run/a key", "known_host": "ssh-ed25519 AAAA"}
    assert ssh_command(ssh, KNOWN) == [
        *("ssh", "-i", "/run/a key", "-o", "IdentitiesOnly=yes"),
        *("-o", "UserKnownHostsFile=/run/known_hosts", "-p", "2222", "debian@192.0.2.7"),
    ]
    assert ssh_command({"host": "h"}, KNOWN) == ["ssh", "root@h"]


def test_a_jump_host_has_its_own_key_and_port():
    ssh = {"host": "inner", "jump": {"host": "outer", "port": 2200, "key": "/k"}}
    inner = "ssh -i /k -o IdentitiesOnly=yes -p 2200 root@outer -W %h:%p"
    proxy = f"ProxyCommand={inner}"
    assert ssh_command(ssh, KNOWN) == ["ssh", "-o", proxy, "root@inner"]


def test_a_container_is_entered_by_its_engines_exec():
    there = Connection(kind="podman", target="web-1", user="app", environment={"CONTAINERS_CONF": "/c.conf"})
    line = ["env", "CONTAINERS_CONF=/c.conf", "podman", "exec", "-it", "--user", "app", "web-1", "sh"]
    assert exec_command(there) == line
    assert exec_command(Connection(kind="local")) == ["sh"], "this machine itself"
