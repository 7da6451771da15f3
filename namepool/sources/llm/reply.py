"""Reads the reply of a language model. Pure.

For any reply, the result is a ``Reading`` of valid names, or an ``EndpointError`` that describes
the reply. A server may send back our key in any spelling. So this module first decodes a text, and
then removes the secrets with ``strike``. The text leaves this module only after that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Any, NamedTuple, cast

from namepool.core.judging import why_refused
from namepool.core.names import one_line, shown
from namepool.sources.llm.retry import EndpointError
from namepool.sources.llm.secrets import MARK
from namepool.sources.llm.texts import candidates, clean, cut_off, ends

Strike = Callable[[str], str]
"""Strikes the secrets out of a text."""

_CUT_OFF = ("length", "max_tokens")
_KNOWN = frozenset({"choices", "error", "message"})
_SPOKEN = frozenset({"text", "content", "delta", "generated_text", "response"})

MOST_EVENTS = 10_000
"""The most pieces of a stream that are read. A piece has a hundred bytes or more."""

MOST_CHOICES = 10
"""The most choices of an answer that are read. A request asks for one."""

QUOTED = 4000
"""The most characters of a text that are searched for secrets, to quote its start."""


class Reading(NamedTuple):
    """The valid names of a reply in its order, and each other candidate with the broken rule."""

    names: list[str]
    rejected: dict[str, str]


class ErrorInside(EndpointError):
    """An answer with status 200 is an error. Its ``status`` is the code in it, if there is one."""


class NoNames(EndpointError):
    """A chat completion has nothing like a name."""


class _Message:
    """A choice of a chat completion, whole or in the pieces of a stream."""

    def __init__(self) -> None:
        self.finish: object = None
        self._pieces: list[dict[str, Any]] = []

    def add(self, choice: dict[str, Any]) -> None:
        """Add a choice, which may be a piece of a stream."""
        self.finish = choice.get("finish_reason") or choice.get("done_reason") or self.finish
        message = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
        self._pieces += _dicts([message])

    def text(self, *fields: str) -> str:
        """Return the text in the first of ``fields`` that has any."""
        texts = ("".join(_joined(piece.get(field)) for piece in self._pieces) for field in fields)
        return next(filter(str.strip, texts), "")

    def found(self, strike: Strike) -> list[object]:
        """Return the candidates in the likeliest part that has any. A call outranks a text."""
        is_cut, calls = self.finish in _CUT_OFF, self._calls()
        called = [one for each in calls for one in _in_part(each, strike, is_cut=is_cut)]
        values = [value for piece in self._pieces if (value := piece.get("content"))]
        part = self.text("content") or next(filter(_is_structure, values), "")
        if not part and not calls:
            part = self.text("reasoning_content", "reasoning")
        return called or _in_part(part, strike, is_cut=is_cut)

    def _calls(self) -> list[object]:
        """Return the arguments of the calls of tools. A piece without a name continues a call."""
        latest: dict[str, tuple[object, list[object]]] = {}
        found: list[list[object]] = []
        for piece in self._pieces:
            for call in [*_dicts(piece.get("tool_calls")), *_dicts([piece.get("function_call")])]:
                function = call["function"] if isinstance(call.get("function"), dict) else call
                place, mark = repr(call.get("index")), call.get("id")
                begun, given = latest.get(place, (None, None))
                if given is None or (function.get("name") and (mark is None or mark != begun)):
                    found.append(given := [])
                    latest[place] = mark, given
                given += [one for one in [function.get("arguments")] if one]
            if _joined(piece.get("content")):  # Anthropic puts calls beside texts
                found += [[part["input"]] for part in _dicts(piece["content"]) if "input" in part]
        joined = ["".join(map(str, o)) if isinstance(o[0], str) else o[0] for o in found if o]
        return list({repr(one): one for one in joined}.values())


def _is_structure(content: object) -> bool:
    return isinstance(content, list | dict)


class Reader:
    """Reads the bodies of chat completions, without our secrets."""

    def __init__(
        self,
        striker: Callable[[], Strike] = lambda: str,
        why_refused: Callable[[object], str | None] = why_refused,
    ) -> None:
        self._striker, self._why_refused = striker, why_refused

    def read_answer(self, headers: Mapping[str, str], body: bytes) -> Reading:
        """Return the names in an answer. It raises like ``read_body``.

        A chat completion, and a stream of its pieces, may have any content type. If a body with
        another type than JSON is neither, the error names this type.
        """
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not body.strip():
            raise EndpointError("the reply is empty")
        is_json = not kind or kind.endswith(("/json", "+json"))
        return self.read_body(body, "not JSON" if is_json else self.quote(kind, 60))

    def read_body(self, body: bytes, kind: str = "not JSON") -> Reading:
        """Return the names in the body of a chat completion. ``kind`` describes another body.

        Raises:
            ErrorInside: the body is an error
            EndpointError: the body is not UTF-8, not JSON, no chat completion, or has no names
        """
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise EndpointError(f"the reply is not UTF-8: {self.quote(body[:QUOTED])}") from None
        documents = _documents(text)
        if not documents or (kind != "not JSON" and not any(map(_is_known, documents))):
            raise EndpointError(f"the reply is {kind}: {self.quote(text)}")
        return self.read_document(*documents)

    def read_document(self, *documents: object) -> Reading:
        """Return the names in a chat completion, or in its pieces. It raises like ``read_body``."""
        messages: dict[object, _Message] = {}
        for document in documents:
            self._refuse_error(document)
            for number, choice in enumerate(_choices(document)):
                self._refuse_error(choice)
                place = repr(choice.get("index", number))
                messages.setdefault(place, _Message()).add(choice)
        if not messages and (text := "".join(_spoken(documents))):
            messages[""] = _Message()
            messages[""].add({"text": text})
        if not messages:
            raise EndpointError(f"the reply is no chat completion: {self.quote(documents[0])}")
        for message in messages.values():
            if len(documents) > 1 and message.finish is None:
                message.finish = _CUT_OFF[0]  # the stream has broken off
            if found := message.found(self._striker()):
                return self._reading(found)
        raise self._nothing(next(iter(messages.values())))

    def read_text(self, text: str) -> Reading:
        """Return the names in the model's text. It raises like ``read_body``."""
        found = candidates(ends(text))
        if not found:
            raise NoNames(f"no names in the model's text: {self.quote(text) or 'nothing'}")
        return self._reading(found)

    def error_text(self, body: bytes) -> str:
        """Return the message of an error in a body, else the body, on one line."""
        documents = _documents(body.decode("utf-8", "backslashreplace"))
        errors = [one for doc in documents for one in (doc, *_choices(doc)) if _is_error(one)]
        return self.quote(next(filter(None, map(_told, errors or documents)), body))

    def quote(self, what: object, limit: int = 200) -> str:
        """Return the start of a value, without secrets and escaped to one line."""
        if isinstance(what, bytes):
            what = what.decode("utf-8", "backslashreplace")
        if not isinstance(what, str):
            what = _dumped(what)
        return one_line(self._striker()(what.strip()[:QUOTED]), limit)

    def _refuse_error(self, document: object) -> None:
        """Raise the error that a document, or a choice of it, is."""
        if not _is_error(document):
            return
        error = cast("dict[str, Any]", document)["error"]
        code = str(error.get("code") if isinstance(error, dict) else "")
        status = int(code) if re.fullmatch("[45][0-9]{2}", code) else None
        said = self.quote(_told(document) or error)
        raise ErrorInside(f"the endpoint answered with an error: {said}", status=status)

    def _nothing(self, message: _Message) -> NoNames:
        if written := message.text("content"):
            return NoNames(f"no names in the model's text: {self.quote(written)}")
        if refusal := message.text("refusal"):
            return NoNames(f"the model refused: {self.quote(refusal)}")
        reason = self.quote(message.finish, 40)
        return NoNames(f"the model wrote nothing (finish_reason: {reason})")

    def _reading(self, found: list[object]) -> Reading:
        reading, strike = Reading([], {}), self._striker()
        for candidate in found:
            # Further strikes, because reading and cleaning may have joined the parts of a secret.
            is_text = isinstance(candidate, str)
            name = strike(clean(strike(cast("str", candidate)))) if is_text else candidate
            is_secret = isinstance(name, str) and MARK in name
            reason = "must not hold a secret" if is_secret else self._why_refused(name)
            if reason is None:
                reading.names.append(cast("str", name))
            else:
                told = one_line(name, 80) if isinstance(name, str) else self.quote(name, 100)
                reading.rejected[told] = reason
        return reading


def _documents(text: str) -> list[object]:
    """Return the JSON document in a body, or those of server-sent events or of JSON lines.

    A stream ends with an event that is no JSON, or in the middle of an event.
    """
    whole = _decoded(text)
    if whole is not _NO_JSON:
        return [whole]
    lines = (line.strip() for line in text.splitlines())
    events = (line.removeprefix("data:") for line in lines if line.startswith(("data:", "{")))
    decoded = map(_decoded, islice(events, MOST_EVENTS))
    return [*takewhile(lambda document: document is not _NO_JSON, decoded)]


_NO_JSON = object()


def _decoded(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return _NO_JSON


def _is_error(document: object) -> bool:
    return isinstance(document, dict) and bool(document.get("error"))


def _is_known(document: object) -> bool:
    is_completion = isinstance(document, dict) and not _KNOWN.isdisjoint(document)
    return is_completion or any(_spoken(document))


def _spoken(value: object, depth: int = 6) -> Iterator[str]:
    """Yield the texts in an answer of another API, or in a piece of it, but no reasoning."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _SPOKEN and isinstance(inner, str):
                yield inner
            elif depth:
                yield from _spoken(inner, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for inner in value[:MOST_EVENTS]:
            yield from _spoken(inner, depth - 1)


def _choices(document: object) -> list[dict[str, Any]]:
    """Return the choices of a completion. An answer of Ollama's own kind is one choice."""
    if not isinstance(document, dict):
        return []
    is_choice = isinstance(document.get("message"), dict)
    return [document] if is_choice else _dicts(document.get("choices"))[:MOST_CHOICES]


def _told(document: object) -> str:
    """Return the message in an error, and its cause. Vendors put them in different places."""
    message, cause = document, None
    for _ in range(4):
        if isinstance(message, list):  # Gemini
            message = message[0] if message else None
        if not isinstance(message, dict):
            break
        metadata = message.get("metadata")
        cause = metadata.get("raw") if isinstance(metadata, dict) else cause  # OpenRouter
        keys = ("error", "message", "detail", "msg", "errors")
        message = next((message[key] for key in keys if message.get(key)), None)
    told = [part if isinstance(part, str) else _dumped(part) for part in (message, cause) if part]
    return ": ".join(told) if isinstance(message, str) else ""


def _in_part(part: object, strike: Strike, *, is_cut: bool) -> list[object]:
    part = part[:MOST_EVENTS] if isinstance(part, list) else part
    text = part if isinstance(part, str) else _joined(part) or _dumped(part)
    text = strike(ends(text))
    return candidates(cut_off(text) if is_cut else text)


def _dicts(value: object) -> list[dict[str, Any]]:
    some = value[:MOST_EVENTS] if isinstance(value, list) else []
    return [one for one in some if isinstance(one, dict)]


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
