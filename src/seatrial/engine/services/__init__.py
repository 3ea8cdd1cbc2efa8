"""Shared services: each has a keeper, a small process that starts it, watches it and stops it when nobody uses it.

A user's lease is its connection to the keeper's socket. The kernel closes it with the process of the run, so the lease
of a dead run ends by itself, and no clean-up of one run can stop a service under another one.

`definition` fills in what users wrote, `home` is a service's folder in the user's state folder, `door` its socket,
`running` the ways to run it, `health` the look at it, `keeper` the process, `client` the side of a run.
"""
