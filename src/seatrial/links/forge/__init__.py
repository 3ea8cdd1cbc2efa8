"""Forges that run workflows: what Seatrial asks of one (`protocol`), GitHub's, its workflow files, and runs of them."""
