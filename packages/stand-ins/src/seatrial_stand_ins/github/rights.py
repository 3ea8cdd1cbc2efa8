"""Rights: 404 hides a repository from a token, 401 and 403 refuse an action."""

from __future__ import annotations

from seatrial_stand_ins.github.asked import Endpoint, Refused, not_found
from seatrial_stand_ins.github.records import Token
from seatrial_stand_ins.github.repository import Repository


def let_in(token: Token | None, repository: Repository | None, endpoint: Endpoint) -> Repository:
    """The repository, if this token has this right to it."""
    if repository is None:
        raise not_found()
    if token is None:
        if repository.private:
            raise not_found()
        if endpoint.signed_in:
            raise Refused(401, "Requires authentication")
        return repository
    known = token.repositories is None or repository.name in token.repositories
    whole = token.scopes is None or "repo" in token.scopes
    if repository.private and not (known and whole):
        raise not_found()
    reads_public = not repository.private and not endpoint.signed_in
    what, _, level = endpoint.needs.partition(":")
    if not what or reads_public:
        return repository
    # A classic token has scopes, a fine-grained one permissions; GitHub refuses each in its own words.
    if not whole and not (level == "read" or (not repository.private and "public_repo" in (token.scopes or ()))):
        raise Refused(403, "Must have admin rights to Repository.", x_accepted_oauth_scopes="repo")
    if not known or not token.may(what, level):
        accepted = f"{what}={level}"
        raise Refused(403, f"Resource not accessible by {token.kind}", x_accepted_github_permissions=accepted)
    return repository
