"""Reads the reply of a language model. Pure.

For any reply, the result is a ``Reading`` of valid names, or a ``SourceError`` that describes the
reply. A server may send back our key in any spelling. So this module first decodes a text, and then
removes the secrets with ``strike``. The text leaves this module only after that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, one_line, shown
from namepool.errors import SourceError
from namepool.sources.llm.texts import candidates, clean
from namepool.sources.llm.values import list_in

Strike = Callable[[str], str]
"""Strikes the secrets out of a text."""


class Reading(NamedTuple):
    """The valid names of a reply in its order, and each other candidate with the broken rule."""

    names: list[str]
    rejected: dict[str, str]


def nothing_secret() -> Strike:
    """Return a function that leaves its text unchanged."""
    return str


class Reader:
    """Reads the bodies of chat completions, without our secrets."""

    def __init__(self, striker: Callable[[], Strike] = nothing_secret) -> None:
        self._striker = striker

    def read_answer(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Return the names in an answer. It raises like ``read_body``.

        A chat completion may have any content type. If a body with another type than JSON is no
        chat completion, the error names this type.
        """
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not body.strip():
            raise SourceError("the reply is empty")
        if not kind or kind == "application/json" or kind.endswith(("+json", "/json")):
            return self.read_body(body)
        try:
            document = json.loads(body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not {"choices", "error"} & document.keys():
            raise SourceError(f"the reply is {self.quote(kind, 60)}: {self.quote(body)}")
        return self.read_document(document)

    def read_body(self, body: bytes) -> Reading:
        """Return the names in the body of a chat completion.

        Raises:
            SourceError: the body is not UTF-8, not JSON, no chat completion, or has no names
        """
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise SourceError(f"the reply is not UTF-8: {self.quote(body)}") from None
        document = _decoded(text)
        if document is _NO_JSON:
            raise SourceError(f"the reply is not JSON: {self.quote(text)}")
        return self.read_document(document)

    def read_document(self, document: object) -> Reading:
        """Return the names in a chat completion. It raises like ``read_body``."""
        message, choice = self._message(document)
        for part in _parts(message):
            found = candidates(part) if isinstance(part, str) else list_in(part)
            if found:
                return self._reading(found)
        written = _joined(message.get("content"))
        if written.strip():
            raise SourceError(f"no names in the model's text: {self.quote(written)}")
        if message.get("refusal"):
            raise SourceError(f"the model refused: {self.quote(message['refusal'])}")
        reason = self.quote(choice.get("finish_reason"), 40)
        raise SourceError(f"the model wrote nothing (finish_reason: {reason})")

    def read_text(self, text: str) -> Reading:
        """Return the names in the model's text. It raises like ``read_body``."""
        found = candidates(text)
        if not found:
            raise SourceError(f"no names in the model's text: {self.quote(text) or 'nothing'}")
        return self._reading(found)

    def error_text(self, body: bytes) -> str:
        """Return the message in the body of an error, else the body, on one line."""
        document = _decoded(body.decode("utf-8", "backslashreplace"))
        return self.quote(_error_message(document) or body)

    def quote(self, what: object, limit: int = 200) -> str:
        """Return the start of a value, without secrets and escaped to one line."""
        if isinstance(what, bytes):
            what = what.decode("utf-8", "backslashreplace")
        if not isinstance(what, str):
            what = _dumped(what)
        return one_line(self._striker()(what.strip()), limit)

    def _message(self, document: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the message of the first choice, then the choice."""
        if isinstance(document, dict) and document.get("error"):
            said = _error_message(document) or document["error"]
            raise SourceError(f"the endpoint answered with an error: {self.quote(said)}")
        choice = _first(document.get("choices")) if isinstance(document, dict) else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise SourceError(f"the reply is no chat completion: {self.quote(document)}")
        return message, cast("dict[str, Any]", choice)

    def _reading(self, found: list[object]) -> Reading:
        reading, strike = Reading([], {}), self._striker()
        for candidate in found:
            struck = strike(candidate) if isinstance(candidate, str) else candidate
            name = clean(struck) if isinstance(struck, str) else struck
            # A second strike, because cleaning may have joined the parts of a secret.
            whole = isinstance(name, str) and strike(name) != name
            secret = whole or struck != candidate
            reason = "must not hold a secret" if secret else why_unusable(name)
            if reason is None:
                reading.names.append(cast("str", name))
            else:
                told = (
                    one_line(strike(name), 80) if isinstance(name, str) else self.quote(name, 100)
                )
                reading.rejected[told] = reason
        return reading


def why_unusable(name: object) -> str | None:
    """Return the rule that forbids a pool to give ``name``, or ``None`` if no rule does."""
    reason = why_unissuable(name)
    return "is reserved" if reason is None and is_default_name(cast("str", name)) else reason


_NO_JSON = object()


def _decoded(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return _NO_JSON


def _error_message(document: object) -> str | None:
    """Return the message in an error. Vendors put it in different places."""
    for _ in range(4):
        if isinstance(document, list):  # Gemini
            document = _first(document)
        if not isinstance(document, dict):
            break
        keys = ("error", "message", "detail", "msg", "errors")
        document = next((document[key] for key in keys if document.get(key)), None)
    return document if isinstance(document, str) else None


def _parts(message: dict[str, Any]) -> list[object]:
    """Return the parts of a message that may hold names, the likeliest part first."""
    content = message.get("content")
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in _dicts(calls)] + [message.get("function_call")]
    arguments = [function.get("arguments") for function in _dicts(functions)]
    written = _joined(content)
    if written:  # Anthropic puts calls beside texts
        arguments += [part.get("input") for part in _dicts(content)]
    parts = [*arguments, written or content]  # a call outranks the text beside it
    if not written.strip() and not arguments:
        parts += [message.get("reasoning_content"), message.get("reasoning")]
    return [part for part in parts if part and isinstance(part, str | list | dict)]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _joined(content: object) -> str:
    """Return the text of a content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") for part in _dicts(content))
    return "".join(text for text in texts if isinstance(text, str))


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return shown(value, 1000)
