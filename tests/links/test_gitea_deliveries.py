"""Deliveries in the pages of several versions of Gitea and Forgejo; a real Gitea is in tests/acceptance."""

from __future__ import annotations

import pytest

from seatrial.errors import CannotTell
from seatrial.links.gitea.deliveries import read_deliveries

IDS = ("6bb1c2c0-0000-4000-8000-000000000002", "6bb1c2c0-0000-4000-8000-000000000001")
ROW = """
<div class="item">
  <span class="{text}{colour}"><svg></svg></span>
  <{tag} class="toggle show-panel" data-panel="#{more}info-{id}">{uuid}</{tag}>
  <span><relative-time datetime="2026-01-02T03:04:0{id}Z">now</relative-time></span>
  <div id="{more}info-{id}">
    <a class="item active" data-tab="{more}request-{id}">Request</a>
    <a class="item" data-tab="{more}response-{id}">Response <span class="ui {colour} label">{status}</span></a>
    <form action="/anna/notes/settings/hooks/7/replay/{uuid}" method="post"></form>
    <div data-tab="{more}request-{id}">
      <pre class="webhook-info"><strong>Request URL:</strong> http://x/?a=1&amp;b=2
<strong>X-Gitea-Event:</strong> push
</pre>
      <pre class="webhook-info">{{&#34;after&#34;: &#34;abc&#34;, &#34;t&#34;: &#34;#info-9 &lt;/pre&gt;&#34;}}</pre>
    </div>
    <div data-tab="{more}response-{id}"><pre class="webhook-info">Date: now</pre>
      <pre class="webhook-info">{answer}</pre></div>
  </div>
</div>
"""
FORMS = {
    "gitea 1.26": {"text": "tw-text-", "tag": "button", "more": ""},
    "a later gitea": {"text": "tw-text-", "tag": "button", "more": "webhook-history-"},
    "forgejo": {"text": "text ", "tag": "a", "more": ""},
}
HEAD = '<button data-link="/anna/notes/settings/hooks/7/test">Test</button>'


def page(form: str) -> str:
    rows = (
        ROW.format(**FORMS[form], id=2, uuid=IDS[0], colour="green", status="204", answer="thanks"),
        ROW.format(**FORMS[form], id=1, uuid=IDS[1], colour="red", status="-", answer="Delivery: refused"),
    )
    return HEAD + "".join(rows)


@pytest.mark.parametrize("form", FORMS)
def test_deliveries_are_read_in_the_form_of_each_version(form: str) -> None:
    good, bad = read_deliveries(page(form), "u")
    assert (good.id, good.uuid, good.state, good.status, good.answer) == (2, IDS[0], "delivered", 204, "thanks")
    assert (bad.id, bad.uuid, bad.state, bad.status, bad.answer) == (1, IDS[1], "failed", 0, "Delivery: refused")
    assert (good.event, good.url, good.time) == ("push", "http://x/?a=1&b=2", "2026-01-02T03:04:02Z")
    assert good.seen()["payload"] == {"after": "abc", "t": "#info-9 </pre>"}


def test_a_page_without_deliveries_is_an_answer_and_another_page_is_none() -> None:
    assert read_deliveries(HEAD, "u") == []
    for other in ("<html>sign in</html>", page("gitea 1.26").replace("data-panel", "data-other"),
                  page("gitea 1.26").replace("tw-text-red", "danger")):  # fmt: skip
        with pytest.raises(CannotTell, match=r"is not the page|does not know"):
            read_deliveries(other, "u")
