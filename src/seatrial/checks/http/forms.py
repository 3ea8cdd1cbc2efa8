"""The forms of an HTML page, and the values a browser sends for a filled-in form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

BUTTONS = ("submit", "image")
UNSENT = ("button", "reset", "file")


@dataclass(slots=True)
class Form:
    """A form: its target and its initial values."""

    action: str = ""
    method: str = "GET"
    multipart: bool = False
    values: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Every field, including those without a value to send: unchecked boxes, files."""
    button: tuple[str, str] | None = None
    """The first submit button, as the Enter key presses it."""

    def filled(self, given: Mapping[str, str]) -> list[tuple[str, str]]:
        """The values to send: its own, hidden ones included, replaced by the given values of the same name."""
        kept = [(name, value) for name, value in self.values if name not in given]
        pressed = [self.button] if self.button and self.button[0] and self.button[0] not in given else []
        return [*kept, *pressed, *given.items()]


def forms(html: str) -> list[Form]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.forms


def form_with(found: list[Form], wanted: Collection[str]) -> Form | str:
    """The first form with these fields, or a text about the existing ones."""
    for one in found:
        if set(wanted) <= one.names:
            return one
    if not found:
        return "the page has no form"
    have = "; ".join(", ".join(sorted(one.names)) or "no fields" for one in found)
    return f"no form of the page has the fields {', '.join(sorted(wanted))}; forms: {have}"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._text: tuple[str, list[str]] | None = None
        """The text area being parsed."""
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        """The list being parsed: its options, and whether each is selected."""
        self._option: tuple[str | None, bool, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            multipart = given.get("enctype", "").lower() == "multipart/form-data"
            method = (given.get("method") or "get").upper()
            self._open = Form(action=given.get("action", ""), method=method, multipart=multipart)
            self.forms.append(self._open)
            return
        form, name = self._open, given.get("name", "")
        if form is None or "disabled" in given:
            return
        if tag == "option" and self._select is not None:
            self._end_option()
            self._option = (given.get("value"), "selected" in given, [])
        elif tag in ("input", "button"):
            self._control(form, given.get("type", "submit" if tag == "button" else "text").lower(), name, given)
        elif tag == "textarea" and name:
            self._text = (name, [])
        elif tag == "select" and name:
            self._select = (name, [])

    def _control(self, form: Form, kind: str, name: str, given: Mapping[str, str]) -> None:
        if kind in BUTTONS:
            if form.button is None:
                form.button = (name, given.get("value", ""))
            return
        if not name:
            return
        form.names.add(name)
        if kind in UNSENT:
            return
        if kind not in ("checkbox", "radio"):
            form.values.append((name, given.get("value", "")))
        elif "checked" in given:
            form.values.append((name, given.get("value", "on")))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text[1].append(data)
        elif self._option is not None:
            self._option[2].append(data)

    def handle_endtag(self, tag: str) -> None:
        form = self._open
        if tag == "textarea" and self._text is not None and form is not None:
            name, parts = self._text
            form.names.add(name)
            form.values.append((name, "".join(parts).removeprefix("\n")))
            self._text = None
        elif tag == "option":
            self._end_option()
        elif tag == "select" and self._select is not None and form is not None:
            self._end_option()
            name, options = self._select
            form.names.add(name)
            chosen = [value for value, is_chosen in options if is_chosen] or [value for value, _ in options[:1]]
            form.values += [(name, value) for value in chosen]
            self._select = None
        elif tag == "form":
            self._open = None

    def _end_option(self) -> None:
        if self._option is not None and self._select is not None:
            value, chosen, text = self._option
            self._select[1].append(("".join(text).strip() if value is None else value, chosen))
        self._option = None
