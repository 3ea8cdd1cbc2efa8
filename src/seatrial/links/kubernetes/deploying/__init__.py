"""What Seatrial brings into a cluster and removes again: manifests, a kustomization and Helm charts.

Its owner is a trial or a shared service. The owner's record has each object before it is applied, and is enough to
remove it.
"""
