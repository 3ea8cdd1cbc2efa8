from __future__ import annotations

from tests.checks.http.site import FORM

from seatrial.checks.http.forms import form_with, forms

PAGE = FORM.format(token="t1", notes="", multipart="")


def test_a_form_is_sent_as_a_browser_would() -> None:
    search, note = forms(PAGE)
    assert (search.method, search.action, search.values) == ("GET", "/search", [("q", "")])
    assert (note.method, note.action, note.multipart) == ("POST", "/notes/", False)
    assert note.filled({"text": "ahoy"}) == [
        ("csrfmiddlewaretoken", "t1"),
        ("colour", "blue"),
        ("pinned", "on"),
        ("save", "yes"),
        ("text", "ahoy"),
    ]
    assert note.filled({"save": "no", "loud": "on"})[-2:] == [("save", "no"), ("loud", "on")]


def test_what_was_written_in_the_page_already_is_sent() -> None:
    (form,) = forms(
        '<form><textarea name="a">\none\n two &amp; three</textarea>'
        '<select name="b"><option value="1">x<option>y</select>'
        '<select name="c" multiple><option selected>p</option><option selected>q</option></select>'
        '<input name="d" type="radio" value="1"><input name="d" type="radio" value="2" checked></form>'
    )
    assert form.values == [("a", "one\n two & three"), ("b", "1"), ("c", "p"), ("c", "q"), ("d", "2")]


def test_the_first_form_that_has_the_fields_is_taken_and_what_there_is_instead_is_told() -> None:
    found = forms(PAGE)
    assert form_with(found, []) is found[0]
    assert form_with(found, ["text", "photo"]) is found[1]
    said = form_with(found, ["text", "gone"])
    assert said == (
        "no form of the page has the fields gone, text; forms: q; "
        "colour, csrfmiddlewaretoken, loud, photo, pinned, text"
    )
    assert form_with(forms("<p>nothing"), ["text"]) == "the page has no form"


def test_html_that_is_no_good_breaks_nothing() -> None:
    assert [form.values for form in forms("</select></form><input name=x><form><option><textarea name=y>z")] == [[]]
