"""What the reply of a language model says. Pure.

Whatever comes: it is a ``Reading`` of valid names, or a ``SourceError`` that says what came.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast

from namepool.errors import SourceError
from namepool.names import is_default_name, one_line, shown, why_invalid
from namepool.sources.llm.texts import candidates, clean


class Reading(NamedTuple):
    """What a reply gave: valid names in its order, and the others with the rule each breaks."""

    names: list[str]
    rejected: dict[str, str]


def read_body(body: bytes) -> Reading:
    """Return the names in the body of a chat completion.

    Raises:
        SourceError: it is not UTF-8, not JSON, no chat completion, or holds nothing like names
    """
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SourceError(f"the reply is not UTF-8: {came(body)}") from None
    except (ValueError, RecursionError):
        raise SourceError(f"the reply is not JSON: {came(body)}") from None
    return read_document(document)


def read_document(document: object) -> Reading:
    """Return the names in a chat completion. Raises as ``read_body`` does."""
    return read_text(_content(document))


def read_text(text: str) -> Reading:
    """Return the names in what the model wrote. Raises as ``read_body`` does."""
    found = candidates(text)
    if not found:
        raise SourceError(f"no names in what the model wrote: {came(text) or 'nothing'}")
    reading = Reading([], {})
    for candidate in found:
        name = clean(candidate) if isinstance(candidate, str) else candidate
        reason = why_unusable(name)
        if reason is None:
            reading.names.append(cast("str", name))
        else:
            reading.rejected[one_line(name, 80) if isinstance(name, str) else shown(name)] = reason
    return reading


def why_unusable(name: object) -> str | None:
    """Return the rule that ``name`` breaks, ``None`` if none: the default name is not given out."""
    reason = why_invalid(name)
    return "is reserved" if reason is None and is_default_name(cast("str", name)) else reason


def came(what: str | bytes, limit: int = 200) -> str:
    """Return the beginning of what came, escaped to one line."""
    text = (
        what[: limit * 4].decode("utf-8", "backslashreplace") if isinstance(what, bytes) else what
    )
    return one_line(text.strip(), limit)


def _content(document: object) -> str:
    """Return the text of the first choice."""
    if isinstance(document, dict) and document.get("error"):
        raise SourceError(f"the endpoint answered with an error: {_dumped(document['error'])}")
    choice = _first(document.get("choices")) if isinstance(document, dict) else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise SourceError(f"the reply is no chat completion: {_dumped(document)}")
    content = _joined(message.get("content"))
    if content.strip():
        return content
    if message.get("refusal"):
        raise SourceError(f"the model refused: {one_line(message['refusal'])}")
    reason = one_line(cast("dict[str, Any]", choice).get("finish_reason"), 40)
    raise SourceError(f"the model wrote nothing (finish_reason: {reason})")


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _joined(content: object) -> str:
    """Return content that came as a string, or as a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _dumped(value: object) -> str:
    try:
        return came(json.dumps(value, ensure_ascii=False))
    except (ValueError, TypeError, RecursionError):
        return shown(value, 200)
