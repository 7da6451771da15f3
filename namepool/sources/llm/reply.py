"""Reads the reply of a language model. Pure.

For any reply, the result is a ``Reading`` of valid names, or an ``EndpointError`` that describes
the reply. A server may send back our key in any spelling. So this module first decodes a text, and
then removes the secrets with ``strike``. The text leaves this module only after that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

from namepool.core.judging import why_refused
from namepool.core.names import one_line, shown
from namepool.sources.llm.fragments import decoded
from namepool.sources.llm.retry import EndpointError, NoNames
from namepool.sources.llm.secrets import MARK
from namepool.sources.llm.texts import READ, candidates, clean, cut_off, ends

Strike = Callable[[str], str]
"""Strikes the secrets out of a text."""

Message = list[dict[str, Any]]
"""A choice of a chat completion, whole or in the pieces of a stream."""

_CUT_OFF = frozenset({"length", "max_tokens", "model_length", "max_output_tokens", "incomplete"})
_REASONS = ("stop_reason", "done_reason", "finish_reason")
_KNOWN = frozenset({"choices", "error", "message"})
_ENDS = ("message_stop", "message-end", "response.completed")
_CODES = ("code", "status", "statusCode")
_DONE = {"[DONE]": '{"done": true}'}
_TELLING = ("error", "message", "detail", "msg", "errors")
_SPOKEN = frozenset({"text", "content", "delta", "generated_text", "response"})

MOST_EVENTS = 10_000
"""The most pieces of a stream that are read. A piece has a hundred bytes or more."""

MOST_CHOICES = 3
"""The most choices of an answer that are read. A request asks for one."""

QUOTED = 4000
"""The most characters of a text that are searched for secrets, to quote its start."""


class Reading(NamedTuple):
    """The valid names of a reply in its order, and each other candidate with the broken rule."""

    names: list[str]
    rejected: dict[str, str]


class ErrorInside(EndpointError):
    """An answer with status 200 is an error. Its ``status`` is the code in it, if there is one."""


class Reader:
    """Reads the bodies of chat completions, without our secrets."""

    def __init__(
        self,
        striker: Callable[[], Strike] = lambda: str,
        why_refused: Callable[[object], str | None] = why_refused,
    ) -> None:
        self._striker, self._why_refused = striker, why_refused

    def read_answer(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Return the names in an answer.

        A chat completion, and a stream of its pieces, may have any content type. If a body with
        another type than JSON is neither, the error names this type.

        Raises:
            ErrorInside: the body is an error
            EndpointError: the body is not UTF-8, not JSON, no chat completion, or has no names
        """
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = not kind or kind.endswith(("/json", "+json"))
        if not body.strip():
            raise NoNames("the reply is empty")
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise EndpointError(f"the reply is not UTF-8: {self.quote(body[:QUOTED])}") from None
        documents = _documents(text)
        if not documents or not (is_json or any(map(_is_known, documents))):
            told = "not JSON" if is_json else self.quote(kind, 60)
            raise EndpointError(f"the reply is {told}: {self.quote(text)}")
        return self.read_document(*documents)

    def read_document(self, *documents: object) -> Reading:
        """Return the names in a chat completion, or its pieces. It raises like ``read_answer``."""
        self._refuse_errors(documents)
        messages: dict[str, Message] = {}
        for document in documents:
            for number, choice in enumerate(_choices(document)):
                place = repr(choice.get("index", number))
                if place in messages or len(messages) < MOST_CHOICES:
                    messages.setdefault(place, []).append(choice)
        if not messages and (text := "".join(_spoken(documents))):
            messages[""] = [{"content": text}]
        if not messages:
            raise NoNames(f"the reply is no chat completion: {self.quote(documents[0])}")
        has_broken_off = len(documents) > 1 and not any(map(_is_end, documents))
        for message in messages.values():
            finish = _finish(message) or ("incomplete" if has_broken_off else None)
            is_cut = str(finish).lower() in _CUT_OFF
            if found := _found(message, self._striker(), is_cut=is_cut):
                return self._reading(found)
        raise self._nothing(next(iter(messages.values())))

    def error_text(self, body: bytes) -> str:
        """Return the message of an error in a body, else the body, on one line."""
        documents = _documents(_text(body))
        told = map(_told, _errors(documents) or documents)
        return self.quote(next(filter(None, told), body))

    def quote(self, what: object, limit: int = 200) -> str:
        """Return the start of a value, without secrets and escaped to one line."""
        return one_line(self._striker()(_text(what).strip()[:QUOTED]), limit)

    def _refuse_errors(self, documents: Sequence[object]) -> None:
        """Raise the first error among documents, and among their choices."""
        for document in _errors(documents):
            status = _status_in(document.get("error")) or _status_in(document)
            said = self.quote(_told(document) or document)
            raise ErrorInside(f"the endpoint answered with an error: {said}", status=status)

    def _nothing(self, message: Message) -> NoNames:
        if written := _said(message, "content"):
            return NoNames(f"no names in the model's text: {self.quote(written)}")
        if refusal := _said(message, "refusal"):
            return NoNames(f"the model refused: {self.quote(refusal)}")
        reason = self.quote(_finish(message), 40)
        return NoNames(f"the model wrote nothing (finish_reason: {reason})")

    def _reading(self, found: list[object]) -> Reading:
        reading, strike = Reading([], {}), self._striker()
        for one in found:
            # Further strikes, because reading and cleaning may have joined the parts of a secret.
            name = strike(clean(strike(one))) if isinstance(one, str) else one
            is_secret = isinstance(name, str) and MARK in name
            reason = "must not hold a secret" if is_secret else self._why_refused(name)
            if reason is None:
                reading.names.append(str(name))
            else:
                reading.rejected[self.quote(name, 80)] = reason
        return reading


def _found(message: Message, strike: Strike, *, is_cut: bool) -> list[object]:
    """Return the candidates in the likeliest part that has any. A call outranks a text."""
    calls = _calls(message)
    contents = [piece.get("content") for piece in message]
    structures = (one for one in contents if one and not isinstance(one, str))
    part = _said(message, "content") or next(structures, "")
    if not part and not calls:
        part = _said(message, "reasoning_content", "reasoning")
    for parts in (calls, [_text(part)]):
        # More than is read is struck, so that no secret is cut in two before it is found.
        texts = [ends(strike(ends(one, 2 * READ))) for one in parts]
        found = [one for text in texts for one in candidates(cut_off(text) if is_cut else text)]
        if found:
            return found
    return []


def _said(message: Message, *fields: str) -> str:
    """Return the text in the first of ``fields`` that has any."""
    texts = ("".join(_joined(piece.get(field)) for piece in message) for field in fields)
    return next(filter(str.strip, texts), "")


def _finish(message: Message) -> object:
    """Return the reason for the end of a message."""
    reasons = [piece.get(key) for piece in message for key in _REASONS]
    return next(filter(None, reversed(reasons)), None)


def _calls(message: Message) -> list[str]:
    """Return the arguments of the calls of tools. A piece without a name continues a call."""
    latest: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for piece in message:  # Anthropic puts calls into the content
        parts = *_dicts(piece.get("tool_calls")), *_dicts(piece.get("content"))
        for call in (*parts, *_dicts([piece.get("function_call")])):
            function = _dict(call.get("function")) or call
            given = function.get("arguments") or function.get("input")
            place = repr(call.get("index"))
            if function.get("name"):  # a call begins, unless its id is known
                latest[place] = place + repr(call.get("id") or len(found))
            if given:
                found.setdefault(latest.get(place, place), []).append(_text(given))
    calls = [one for one in dict.fromkeys(map("".join, found.values())) if len(one) <= READ]
    total = accumulate(map(len, calls))  # a request asks for one call with all names
    return [one for one, read in zip(calls, total, strict=True) if read <= 2 * READ]


def _documents(text: str) -> list[object]:
    """Return the JSON document in a body, or those of server-sent events or of JSON lines.

    An event that is no JSON is left out. The mark at the end of a stream is a document, too.
    """
    if whole := decoded(text):
        return whole
    lines = (line.strip() for line in text.replace("\r", "\n").split("\n"))
    events = (line.removeprefix("data:") for line in lines if line.startswith(("data:", "{")))
    return [
        document
        for event in islice(events, MOST_EVENTS)
        for document in decoded(_DONE.get(event.strip(), event))
    ]


def _errors(documents: Sequence[object]) -> list[dict[str, Any]]:
    """Return the documents, and the choices in them, that are errors."""
    parts = (part for document in documents for part in (_dict(document), *_choices(document)))
    return [part for part in parts if _is_error(part)]


def _is_error(document: dict[str, Any]) -> bool:
    """Return whether a document is an error. Some have no "error", but a code and a message."""
    is_bare = isinstance(document.get("message"), str) and bool(_status_in(document))
    return bool(document.get("error")) or is_bare


def _status_in(error: object) -> int | None:
    told = (str(_dict(error).get(key)) for key in _CODES)
    return next((int(one) for one in told if re.fullmatch("[45][0-9]{2}", one)), None)


def _is_end(document: object) -> bool:
    """Return whether a piece says that its stream ends here."""
    fields = _dict(document)
    return True in (fields.get("done"), fields.get("stop")) or fields.get("type") in _ENDS


def _is_known(document: object) -> bool:
    return not _KNOWN.isdisjoint(_dict(document)) or any(_spoken(document))


def _spoken(value: object, depth: int = 6) -> Iterator[str]:
    """Yield the texts in an answer of another API, or in a piece of it, but no reasoning."""
    items = enumerate(value[:MOST_EVENTS]) if isinstance(value, list | tuple) else None
    for key, inner in items or _dict(value).items():
        if key in _SPOKEN and isinstance(inner, str):
            yield inner
        elif depth:
            yield from _spoken(inner, depth - 1)


def _choices(document: object) -> list[dict[str, Any]]:
    """Return the choices of a completion, each with the fields of the message in it.

    An answer of Ollama's own kind is one choice.
    """
    fields = _dict(document)
    is_choice = isinstance(fields.get("message"), dict) and "done" in fields
    choices = [fields] if is_choice else _dicts(fields.get("choices"))[:MOST_CHOICES]
    return [
        {"content": one.get("text"), **one, **_dict(one.get("message") or one.get("delta"))}
        for one in choices
    ]


def _told(document: object) -> str:
    """Return the message in an error, and its cause. Vendors put them in different places."""
    told: list[object] = []
    for _ in range(4):
        if isinstance(document, list):  # Gemini
            document = document[0] if document else None
        if not isinstance(document, dict):
            break
        told.append(_dict(document.get("metadata")).get("raw"))  # OpenRouter
        inner = [document[key] for key in _TELLING if document.get(key) not in (None, "", True)]
        told += [one for one in inner[1:] if isinstance(one, str)]
        document = inner[0] if inner else None
    texts = map(_text, filter(None, (document, *told)))
    return ": ".join(dict.fromkeys(texts)) if isinstance(document, str) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    some = value[:MOST_EVENTS] if isinstance(value, list) else []
    return [one for one in some if isinstance(one, dict)]


def _joined(content: object) -> str:
    """Return the text of a content, which is a string or a list of parts."""
    texts = [content, *(part.get("text") for part in _dicts(content))]
    return "".join(text for text in texts if isinstance(text, str))


def _text(value: object) -> str:
    """Return a text as it is, and any other value as JSON. Of a long list the start counts."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return value
    value = value[:MOST_EVENTS] if isinstance(value, list) else value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return shown(value, 1000)
