"""A deployer that is a CI workflow: `deploy.yml` builds the system, `teardown.yml` takes it away."""

from seatrial.systems.github_actions.system import GithubActions

__all__ = ["GithubActions"]
