"""Deploys by a GitHub Actions workflow: `deploy.yml` creates the system, `teardown.yml` removes it."""

from seatrial.systems.github_actions.system import GithubActions

__all__ = ["GithubActions"]
