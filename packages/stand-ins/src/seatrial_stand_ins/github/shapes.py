"""The server's records in the API's JSON."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

from seatrial_stand_ins.github.records import (
    Annotation,
    Artifact,
    Attempt,
    Deployment,
    JobRecord,
    RunRecord,
    WorkflowRecord,
    now,
)
from seatrial_stand_ins.github.repository import Commit, Entry, Environment, Repository

Json: TypeAlias = dict[str, Any]


def stamp(when: datetime | None) -> str | None:
    """`2026-03-10T12:00:00Z`."""
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")


def number(text: str) -> int:
    """An id derived from a name."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:7], 16)


def node_id(kind: str, identifier: int) -> str:
    """As GraphQL names things."""
    return base64.b64encode(f"{kind}:{identifier}".encode()).decode()


_REPOSITORY_URLS = """
archive_url {archive_format}{/ref}; assignees_url assignees{/user}; blobs_url git/blobs{/sha};
branches_url branches{/branch}; collaborators_url collaborators{/collaborator}; comments_url comments{/number};
commits_url commits{/sha};
compare_url compare/{base}...{head}; contents_url contents/{+path}; contributors_url contributors;
deployments_url deployments; downloads_url downloads; events_url events; forks_url forks;
git_commits_url git/commits{/sha}; git_refs_url git/refs{/sha};
git_tags_url git/tags{/sha}; hooks_url hooks; issue_comment_url issues/comments{/number};
issue_events_url issues/events{/number}; issues_url issues{/number}; keys_url keys{/key_id}; labels_url labels{/name};
languages_url languages; merges_url merges; milestones_url milestones{/number};
notifications_url notifications{?since,all,participating}; pulls_url pulls{/number}; releases_url releases{/id};
stargazers_url stargazers; statuses_url statuses/{sha}; subscribers_url subscribers; subscription_url subscription;
tags_url tags; teams_url teams; trees_url git/trees{/sha}
"""
_USER_URLS = """
followers_url followers; following_url following{/other_user}; gists_url gists{/gist_id};
starred_url starred{/owner}{/repo}; subscriptions_url subscriptions; organizations_url orgs; repos_url repos;
events_url events{/privacy}; received_events_url received_events
"""


def _urls(listed: str, below: str) -> Json:
    pairs = [entry.split(" ") for entry in re.split(r";\s*", listed.strip())]
    return {name: f"{below}/{template}" for name, template in pairs}


@dataclass(frozen=True, slots=True)
class Shapes:
    """All addresses, for one request: `site` is `http://127.0.0.1:P`, `api` may have `/api/v3` after it."""

    site: str
    api: str

    def user(self, login: str) -> Json:
        """A simple user."""
        url = f"{self.api}/users/{quote(login)}"
        return {
            "login": login, "id": number(login), "node_id": node_id("User", number(login)),
            "avatar_url": f"{self.site}/avatars/{quote(login)}", "gravatar_id": "", "url": url,
            "html_url": f"{self.site}/{quote(login)}", **_urls(_USER_URLS, url),
            "type": "Bot" if login.endswith("[bot]") else "User", "site_admin": False,
        }  # fmt: skip

    def whole_user(self, login: str) -> Json:
        """A user as everybody sees them."""
        about = {"name": login, "company": None, "blog": "", "location": None, "email": None, "hireable": None}
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        when = "2020-01-01T00:00:00Z"
        times = {"created_at": when, "updated_at": when}
        return {**self.user(login), "user_view_type": "public", **about, "bio": None, **counts, **times}

    def own_user(self, login: str) -> Json:
        """A user as they see themselves."""
        private = ("private_gists", "total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
        own = {**dict.fromkeys(private, 0), "user_view_type": "private", "two_factor_authentication": True}
        return {**self.whole_user(login), **own}

    def repository_url(self, repository: str) -> str:
        """Of the API."""
        return f"{self.api}/repos/{repository}"

    def repository(self, it: Repository) -> Json:
        """A minimal repository."""
        url = self.repository_url(it.name)
        return {
            "id": it.repository_id, "node_id": node_id("Repository", it.repository_id), "name": it.short_name,
            "full_name": it.name, "private": it.private, "owner": self.user(it.owner),
            "html_url": f"{self.site}/{it.name}", "description": None, "fork": False, "url": url,
            **_urls(_REPOSITORY_URLS, url),
        }  # fmt: skip

    def whole_repository(self, it: Repository, permissions: Mapping[str, bool]) -> Json:
        """A repository, by its own address."""
        when = stamp(it.created_at)
        zero = ("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers")
        zeros = dict.fromkeys((*zero, "watchers_count", "network_count", "subscribers_count", "size"), 0)
        has = {"issues": True, "projects": False, "wiki": False, "pages": False, "discussions": False}
        host = self.site.partition("//")[2]
        return {
            **self.repository(it), "clone_url": f"{self.site}/{it.name}.git", "git_url": f"git://{host}/{it.name}.git",
            "ssh_url": f"git@{host.partition(':')[0]}:{it.name}.git", "svn_url": f"{self.site}/{it.name}",
            "mirror_url": None, "homepage": None, "language": None, "default_branch": it.default_branch,
            **{f"has_{name}": value for name, value in has.items()}, **zeros, "archived": False, "disabled": False,
            "license": None, "visibility": "private" if it.private else "public", "pushed_at": when, "created_at": when,
            "updated_at": when, "permissions": dict(permissions), "topics": [], "is_template": False,
            "allow_forking": True, "web_commit_signoff_required": False,
        }  # fmt: skip

    def workflow(self, repository: str, it: WorkflowRecord) -> Json:
        """A workflow."""
        url = f"{self.repository_url(repository)}/actions/workflows/{it.workflow_id}"
        file = it.path.rpartition("/")[2]
        return {
            "id": it.workflow_id, "node_id": node_id("Workflow", it.workflow_id), "name": it.name, "path": it.path,
            "state": it.state, "created_at": stamp(it.created_at), "updated_at": stamp(it.created_at), "url": url,
            "html_url": f"{self.site}/{repository}/blob/main/{it.path}",
            "badge_url": f"{self.site}/{repository}/actions/workflows/{file}/badge.svg",
        }  # fmt: skip

    def run(self, repository: Repository, it: RunRecord, attempt: Attempt | None = None) -> Json:
        """A run, at its newest attempt or another one."""
        shown = attempt or it.last
        url = f"{self.repository_url(it.repository)}/actions/runs/{it.run_id}"
        earlier = f"{url}/attempts/{shown.number - 1}" if shown.number > 1 else None
        return {
            "id": it.run_id, "name": it.workflow.name, "node_id": node_id("WorkflowRun", it.run_id),
            "head_branch": it.branch, "head_sha": it.sha, "path": it.workflow.path, "display_title": it.title,
            "run_number": it.number, "event": it.event, "status": shown.status, "conclusion": shown.conclusion,
            "workflow_id": it.workflow.workflow_id, "check_suite_id": it.check_suite_id,
            "check_suite_node_id": node_id("CheckSuite", it.check_suite_id), "url": url,
            "html_url": f"{self.site}/{it.repository}/actions/runs/{it.run_id}", "pull_requests": [],
            "created_at": stamp(it.created_at), "updated_at": stamp(shown.updated_at), "actor": self.user(it.actor),
            "run_attempt": shown.number, "referenced_workflows": [], "run_started_at": stamp(shown.started_at),
            "triggering_actor": self.user(shown.actor), "jobs_url": f"{url}/jobs", "logs_url": f"{url}/logs",
            "check_suite_url": f"{self.repository_url(it.repository)}/check-suites/{it.check_suite_id}",
            "artifacts_url": f"{url}/artifacts", "cancel_url": f"{url}/cancel", "rerun_url": f"{url}/rerun",
            "previous_attempt_url": earlier,
            "workflow_url": f"{self.repository_url(it.repository)}/actions/workflows/{it.workflow.workflow_id}",
            "head_commit": dict(it.commit), "repository": self.repository(repository),
            "head_repository": self.repository(repository),
        }  # fmt: skip

    def job(self, run: RunRecord, it: JobRecord) -> Json:
        """A job of a run."""
        below = self.repository_url(run.repository)
        page = f"{self.site}/{run.repository}/actions/runs/{run.run_id}/job/{it.job_id}"
        taken = it.status in ("in_progress", "completed") and bool(it.steps)
        return {
            "id": it.job_id, "run_id": run.run_id, "workflow_name": run.workflow.name, "head_branch": run.branch,
            "run_url": f"{below}/actions/runs/{run.run_id}", "run_attempt": it.attempt,
            "node_id": node_id("CheckRun", it.job_id), "head_sha": run.sha, "url": f"{below}/actions/jobs/{it.job_id}",
            "html_url": page, "status": it.status, "conclusion": it.conclusion, "created_at": stamp(it.created_at),
            "started_at": stamp(it.started_at or it.created_at), "completed_at": stamp(it.completed_at),
            "name": it.name, "check_run_url": f"{below}/check-runs/{it.job_id}", "labels": list(it.labels),
            "runner_id": 1 if taken else None, "runner_name": "runner-1" if taken else None,
            "runner_group_id": 0 if taken else None, "runner_group_name": "GitHub Actions" if taken else None,
            "steps": [
                {
                    "name": step.name, "status": step.status, "conclusion": step.conclusion, "number": step.number,
                    "started_at": stamp(step.started_at), "completed_at": stamp(step.completed_at),
                }
                for step in it.steps
            ],
        }  # fmt: skip

    def artifact(self, run: RunRecord, repository: Repository, it: Artifact) -> Json:
        """An artifact."""
        url = f"{self.repository_url(run.repository)}/actions/artifacts/{it.artifact_id}"
        digest = "sha256:" + hashlib.sha256(it.content).hexdigest()
        return {
            "id": it.artifact_id, "node_id": node_id("Artifact", it.artifact_id), "name": it.name,
            "size_in_bytes": it.size, "url": url, "archive_download_url": f"{url}/zip", "expired": it.expired,
            "digest": digest, "created_at": stamp(it.created_at), "updated_at": stamp(it.created_at),
            "expires_at": stamp(it.created_at + timedelta(days=90)),
            "workflow_run": {
                "id": run.run_id, "repository_id": repository.repository_id,
                "head_repository_id": repository.repository_id, "head_branch": run.branch, "head_sha": run.sha,
            },
        }  # fmt: skip

    def annotation(self, repository: str, sha: str, it: Annotation) -> Json:
        """An annotation of a check run."""
        return {
            "path": it.path, "start_line": it.line, "end_line": it.line, "start_column": None, "end_column": None,
            "annotation_level": it.level, "title": it.title, "message": it.message, "raw_details": "",
            "blob_href": f"{self.site}/{repository}/blob/{sha}/{it.path}",
        }  # fmt: skip

    def check_run(self, run: RunRecord, it: JobRecord) -> Json:
        """The check run of a job."""
        job = self.job(run, it)
        url = str(job["check_run_url"])
        return {
            "id": it.job_id, "name": it.name, "node_id": job["node_id"], "head_sha": run.sha, "external_id": it.key,
            "url": url, "html_url": job["html_url"], "details_url": job["html_url"],
            "status": it.status if it.status in ("in_progress", "completed") else "queued", "conclusion": it.conclusion,
            "started_at": job["started_at"], "completed_at": job["completed_at"],
            "output": {
                "title": None, "summary": None, "text": None, "annotations_count": len(it.annotations),
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": run.check_suite_id}, "app": None, "pull_requests": [],
        }  # fmt: skip

    def deployment(self, repository: str, it: Deployment) -> Json:
        """A deployment."""
        url = f"{self.repository_url(repository)}/deployments/{it.deployment_id}"
        changed = it.states[-1][2] if it.states else it.created_at
        return {
            "url": url, "id": it.deployment_id, "node_id": node_id("Deployment", it.deployment_id),
            "task": "deploy", "original_environment": it.environment, "environment": it.environment,
            "description": None, "created_at": stamp(it.created_at), "updated_at": stamp(changed),
            "statuses_url": f"{url}/statuses", "repository_url": self.repository_url(repository),
            "creator": self.user(it.creator), "sha": it.sha, "ref": it.ref, "payload": {},
            "transient_environment": False, "production_environment": False, "performed_via_github_app": None,
        }  # fmt: skip

    def deployment_status(self, repository: str, it: Deployment, state: tuple[int, str, datetime]) -> Json:
        """One status of it."""
        identifier, name, when = state
        url = f"{self.repository_url(repository)}/deployments/{it.deployment_id}"
        page = f"{self.site}/{repository}/actions/runs/{it.run_id}/job/{it.job.job_id}"
        return {
            "url": f"{url}/statuses/{identifier}", "id": identifier,
            "node_id": node_id("DeploymentStatus", identifier), "state": name, "creator": self.user(it.creator),
            "description": "", "environment": it.environment, "target_url": page, "log_url": page,
            "created_at": stamp(when), "updated_at": stamp(when), "deployment_url": url,
            "repository_url": self.repository_url(repository), "environment_url": it.url,
            "performed_via_github_app": None,
        }  # fmt: skip

    def environment(self, repository: str, it: Environment) -> Json:
        """An environment."""
        when = stamp(it.created_at)
        return {
            "id": it.environment_id, "node_id": node_id("Environment", it.environment_id), "name": it.name,
            "url": f"{self.repository_url(repository)}/environments/{quote(it.name, safe='')}",
            "html_url": f"{self.site}/{repository}/deployments/activity_log?environments_filter={quote(it.name)}",
            "created_at": when, "updated_at": when, "protection_rules": [], "deployment_branch_policy": None,
        }  # fmt: skip

    def commit(self, repository: str, it: Commit) -> Json:
        """A commit as the API's lists have it."""
        url = f"{self.repository_url(repository)}/commits/{it.sha}"
        page = f"{self.site}/{repository}/commit/{it.sha}"
        who = {"name": it.name, "email": it.email, "date": stamp(it.date)}
        unsigned = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}
        return {
            "sha": it.sha, "node_id": node_id("Commit", number(it.sha)), "url": url, "html_url": page,
            "comments_url": f"{url}/comments", "author": None, "committer": None,
            "commit": {
                "author": who, "committer": who, "message": it.message, "comment_count": 0, "verification": unsigned,
                "tree": {"sha": it.tree, "url": f"{self.repository_url(repository)}/git/trees/{it.tree}"},
                "url": f"{self.repository_url(repository)}/git/commits/{it.sha}",
            },
            "parents": [
                {
                    "sha": parent, "url": f"{self.repository_url(repository)}/commits/{parent}",
                    "html_url": f"{self.site}/{repository}/commit/{parent}",
                }
                for parent in it.parents
            ],
        }  # fmt: skip

    def ref(self, repository: str, name: str, sha: str) -> Json:
        """A git reference."""
        below = self.repository_url(repository)
        return {
            "ref": name, "node_id": node_id("Ref", number(name)), "url": f"{below}/git/{name}",
            "object": {"type": "commit", "sha": sha, "url": f"{below}/git/commits/{sha}"},
        }  # fmt: skip

    def content(self, repository: str, ref: str, it: Entry) -> Json:
        """A file or folder in a list of them."""
        path = quote(it.path)
        kind, git_kind = ("dir", "trees") if it.kind == "tree" else ("file", "blobs")
        url = f"{self.repository_url(repository)}/contents/{path}?ref={quote(ref, safe='')}"
        page = f"{self.site}/{repository}/{'tree' if kind == 'dir' else 'blob'}/{quote(ref)}/{path}"
        git_url = f"{self.repository_url(repository)}/git/{git_kind}/{it.sha}"
        raw = None if kind == "dir" else f"{self.site}/raw/{repository}/{quote(ref)}/{path}"
        return {
            "name": it.path.rpartition("/")[2], "path": it.path, "sha": it.sha, "size": it.size, "url": url,
            "html_url": page, "git_url": git_url, "download_url": raw, "type": kind,
            "_links": {"self": url, "git": git_url, "html": page},
        }  # fmt: skip


def run_commit(it: Commit) -> Json:
    """The head commit as a run has it."""
    who = {"name": it.name, "email": it.email}
    return {
        "id": it.sha, "tree_id": it.tree, "message": it.message, "timestamp": stamp(it.date), "author": who,
        "committer": who,
    }  # fmt: skip


def limits(limit: int, used: int, reset: int) -> Json:
    """One resource of `/rate_limit`."""
    return {"limit": limit, "used": used, "remaining": max(0, limit - used), "reset": reset}


def after(seconds: float) -> int:
    """Now plus `seconds` (at least 1), in seconds since the epoch."""
    return int(now().timestamp() + max(1.0, seconds))
