"""Workflow forges: the requests Seatrial makes (`protocol`), GitHub's client, its workflow files, and runs of them."""
