"""Tests over one deployed cluster; each leaves it as it found it."""

import urllib.request

import seatrial

cluster = seatrial.fixture("cluster.yaml", scope="module")


def test_every_node_answers(cluster):
    for node in cluster:
        with urllib.request.urlopen(f"http://{node.address}:{node.ports['client']}/health", timeout=10) as answer:
            assert answer.status == 200
        assert node.run("hostname").stdout.strip() == node.name


def test_it_survives_the_loss_of_a_node(cluster):
    cluster["n11"].crash(method="destroy")
    cluster.check("cluster_degraded", "node_status:n11:stopped", within=30)
    cluster["n11"].start()
    cluster.check("cluster_status", "data_integrity", within="1m")


def test_without_a_majority_it_says_so(cluster):
    lost = cluster["n11"], cluster["n12"]
    for node in lost:
        node.stop()
    cluster.check("cluster_critical", "database_down", within=30)
    for node in lost:
        node.start()
    cluster.check("cluster_status", within="1m")
