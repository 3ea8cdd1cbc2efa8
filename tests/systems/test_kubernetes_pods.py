"""Pods as nodes: their names stay while pods come and go, and what the API server's objects say of their health."""

from dataclasses import replace

import pytest

from seatrial.links.kubernetes.deploying.workloads import KINDS, Workload, is_ending, workloads_in
from seatrial.links.kubernetes.readiness.pods import trouble
from seatrial.links.kubernetes.readiness.stuck import LOADED, MADE, Waits
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health, Source
from seatrial.systems.kubernetes.pods import Places, health_of

TRIAL = "t1m8nc8jcang3xj41ak0ymnk"


def pod(uid: str, name: str = "", *, ready: bool = True, phase: str = "Running", **status: object) -> dict:
    conditions = [{"type": "Ready", "status": str(ready), "message": "" if ready else "containers not ready"}]
    metadata = {"uid": uid, "name": name or f"web-{uid}", "namespace": "n", "creationTimestamp": uid}
    containers = [{"name": "main", "ready": ready, "state": {"running": {}}}]
    whole = {"phase": phase, "conditions": conditions, "containerStatuses": containers, **status}
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "main"}]}, "status": whole}


def workload(*pods: dict, kind: str = "Deployment", replicas: int = 2, name: str = "web", **status: object) -> Workload:
    thing = {"metadata": {"name": name, "generation": 2}, "spec": {"replicas": replicas}}
    thing["status"] = {"observedGeneration": 2, "updatedReplicas": replicas, **status}
    return Workload(kind=kind, namespace="n", name=name, thing=thing, pods=pods)


def uids(places: Places, *workloads: Workload) -> dict[str, str]:
    return {place.name: place.uid for place in places.assign(workloads)}


def test_a_new_pod_takes_the_place_of_the_lost_one():
    places = Places(TRIAL)
    assert uids(places, workload(pod("a"), pod("b"))) == {"web-1": "a", "web-2": "b"}
    assert uids(places, workload(pod("b"))) == {"web-1": "", "web-2": "b"}
    assert uids(places, workload(pod("b"), pod("c"))) == {"web-1": "c", "web-2": "b"}


def test_one_pod_has_no_number_and_keeps_its_name_when_others_come():
    places = Places(TRIAL)
    assert uids(places, workload(pod("a"), replicas=1)) == {"web": "a"}
    assert uids(places, workload(pod("a"), pod("b"), replicas=2)) == {"web": "a", "web-2": "b"}


def test_more_pods_than_wanted_are_no_nodes_until_one_of_the_others_goes():
    places = Places(TRIAL)
    uids(places, workload(pod("a"), pod("b")))
    assert uids(places, workload(pod("a"), pod("b"), pod("c"))) == {"web-1": "a", "web-2": "b"}
    assert uids(places, workload(pod("b"), pod("c"))) == {"web-1": "c", "web-2": "b"}


def test_a_workload_that_was_scaled_down_is_missed():
    places = Places(TRIAL)
    uids(places, workload(pod("a"), pod("b")))
    (first, second) = places.assign([workload(pod("a"), replicas=1)])
    assert health_of(first).power.value is PowerState.RUNNING
    assert health_of(second).power.value is PowerState.STOPPED
    assert health_of(second).healthy.source is Source.MEASURED


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_pod_that_is_ending_is_not_stopped_yet(kind):
    places = Places(TRIAL)
    uids(places, workload(pod("a", "web-0"), kind=kind, replicas=1))
    ending = replace(workload(kind=kind, replicas=0), ending=(pod("a", "web-0"),))
    (place,) = places.assign([ending])
    assert health_of(place).power.value is PowerState.RUNNING
    assert health_of(place).power.why == "its pod web-0 is ending"
    assert health_of(place).parts["service"].value is Health.NOT_OK
    (place,) = places.assign([workload(kind=kind, replicas=0)])
    assert health_of(place).power.value is PowerState.STOPPED


def test_pods_of_a_stateful_set_have_their_own_names():
    places = Places(TRIAL)
    both = workload(pod("a", "db-0"), pod("b", "db-1"), kind="StatefulSet", name="db")
    assert uids(places, both) == {"db-0": "a", "db-1": "b"}
    one = workload(pod("a", "db-0"), kind="StatefulSet", name="db", replicas=1)
    assert uids(places, one) == {"db-0": "a", "db-1": ""}


def test_the_trial_is_no_part_of_a_name_and_equal_names_are_told_apart():
    places = Places(TRIAL)
    one = workload(pod("a"), replicas=1, name=f"shop-{TRIAL}")
    assert uids(places, one) == {"shop": "a"}
    places = Places(TRIAL)
    other = workload(pod("b", "shop-0"), replicas=1, name="shop", kind="StatefulSet")
    names = list(uids(places, workload(pod("a"), replicas=1, name="shop"), other))
    assert names[0] == "shop-n-deployment"
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    "status, why",
    [
        ({"updatedReplicas": 1}, "Deployment web has 1 of 2 pods of its present definition"),
        ({"observedGeneration": 1}, "the controller of Deployment web has not seen its present definition yet"),
    ],
)
def test_a_ready_pod_of_an_unfinished_rollout_is_not_healthy(status, why):
    (first, _) = Places(TRIAL).assign([workload(pod("a"), pod("b"), **status)])
    assert health_of(first).parts["rollout"].why == why
    assert health_of(first).healthy.value is Health.NOT_OK


def test_a_pod_that_cannot_be_scheduled_says_so():
    unready = pod("a", ready=False, phase="Pending")
    message = "0/2 nodes are available: 2 Insufficient cpu."
    unready["status"]["conditions"].append({"type": "PodScheduled", "status": "False", "message": message})
    assert trouble(unready) == f"cannot be scheduled: {message}"
    (place,) = Places(TRIAL).assign([workload(unready, replicas=1)])
    assert health_of(place).power.value is PowerState.UNREACHABLE
    assert health_of(place, "pod a: more").parts["service"].why == "pod a: more"


def waiting(uid: str, reason: str, message: str = "") -> dict:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(uid, ready=False, phase="Pending", containerStatuses=[{"name": "main", "ready": False, "state": state}])


@pytest.mark.parametrize(
    "reason, message, seconds",
    [
        ("InvalidImageName", "", 0),
        ("ErrImageNeverPull", "", LOADED),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", 0),
        ("CreateContainerConfigError", 'secret "late" not found', MADE),
        ("ImagePullBackOff", "", None),
        ("CrashLoopBackOff", "", None),
        ("ContainerCreating", "", None),
    ],
)
def test_waiting_ends_only_for_what_it_cannot_help(reason, message, seconds):
    waits, stuck = Waits(), waiting("a", reason, message)
    if seconds:
        assert waits.over([stuck, pod("b")], 10, busy=False) is None
        assert waits.over([stuck, pod("b")], 9.9 + seconds, busy=False) is None
    late = 1000.0 if seconds is None else 10.0 + seconds
    assert waits.over([stuck, pod("b")], late, busy=False) is (None if seconds is None else stuck)


def test_what_a_pod_lacks_may_still_be_made_as_long_as_something_else_is_on_its_way():
    waits, stuck = Waits(), waiting("a", "CreateContainerConfigError", 'secret "late" not found')
    assert waits.over([stuck, waiting("b", "ContainerCreating")], 0, busy=False) is None
    assert waits.over([stuck, waiting("b", "ContainerCreating")], 500, busy=False) is None
    assert waits.over([stuck, pod("b")], 500, busy=True) is None
    assert waits.over([stuck, pod("b")], 500, busy=False) is None
    assert waits.over([stuck, pod("b")], 500 + MADE, busy=False) is stuck


def test_a_pod_that_was_healed_meanwhile_has_its_whole_time_again():
    waits, stuck = Waits(), waiting("a", "ErrImageNeverPull")
    assert waits.over([stuck], 0, busy=False) is None
    assert waits.over([pod("a")], 10, busy=False) is None
    assert waits.over([stuck], 20, busy=False) is None
    assert waits.over([stuck], 20 + LOADED, busy=False) is stuck


def test_a_pod_that_is_being_deleted_or_has_ended_is_no_node():
    ending = pod("a")
    ending["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z"
    assert is_ending(ending)
    assert is_ending(pod("b", phase="Succeeded"))
    assert not is_ending(pod("c"))


def test_a_workload_without_pods_yet_is_chosen_by_the_labels_of_its_template():
    def made(name: str) -> dict:
        metadata = {"uid": name, "namespace": "n", "name": name}
        return {"metadata": metadata, "spec": {"template": {"metadata": {"labels": {"app": name}}}}}

    found = {**dict.fromkeys(KINDS, ()), "Deployment": (made("web"), made("other"))}
    assert [one.name for one in workloads_in(found, "app=web")] == ["web"]
    assert [one.name for one in workloads_in(found, "")] == ["other", "web"]
