"""A real Kubernetes cluster for tests: etcd, a control plane, and nodes with containerd, kubelet, kube-proxy and CNI.

Control plane and nodes each have namespaces of their own for processes, mounts and network, so the machine's firewall,
routes and mounts stay as they are, and all of it ends with one process. `python -m scripts.cluster up` for developers;
`scripts.cluster.shared` for tests; `Cluster` in `scripts.cluster.cluster` for a test that breaks it on purpose.
"""
