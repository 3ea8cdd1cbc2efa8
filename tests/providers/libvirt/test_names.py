"""Names that tell run, trial and node, and addresses that nobody else has."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.ids import new_run_id, trial_id
from seatrial.providers.libvirt import names

RUN = new_run_id()
TRIAL = trial_id(RUN, "libvirt-workflow-flow")


def test_a_files_name_tells_whose_it_is():
    file = names.File(RUN, TRIAL, "n11", "console.0")
    assert names.file_of(str(file)) == file
    assert names.file_of(f"seatrial.{RUN}.{TRIAL}.-.labels") == names.File(RUN, TRIAL, names.TRIAL, "labels")


def test_what_is_not_ours_is_left_out():
    for name in ("debian.qcow2", "seatrial-cache-0123-node.qcow2", f"seatrial.{RUN}.mine.n11.root", "seatrial.a.b.c.d"):
        assert names.file_of(name) is None
    assert names.trial_of("default") == names.trial_of("seatrial-probe-0123") == ""
    assert names.trial_of(names.network_of(TRIAL)) == TRIAL


def test_bridges_fit_into_the_kernels_fifteen_characters():
    found = list(names.bridges(TRIAL))
    assert all(len(name) <= 15 for name in found)
    assert len(set(found)) == len(found)


def test_hardware_addresses_follow_from_the_names():
    assert names.mac_of(TRIAL, "n11") == names.mac_of(TRIAL, "n11") != names.mac_of(TRIAL, "n12")
    assert names.mac_of(TRIAL, "n11").startswith("52:54:00:")


@given(st.text(), st.lists(st.integers(0, 63 * 256), max_size=20))
def test_subnets_avoid_what_is_taken(trial, places):
    first = int(ipaddress.IPv4Address("10.64.0.0"))
    taken = [ipaddress.IPv4Network((first + (place // 2 * 512), 23)) for place in places]
    for subnet in list(names.subnets(trial, taken))[:5]:
        net = ipaddress.IPv4Network(subnet)
        assert net.prefixlen == 24
        assert not any(net.overlaps(network) for network in taken)
