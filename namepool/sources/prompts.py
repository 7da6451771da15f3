"""What a language model is asked for names, and what its reply says. Pure.

Whatever comes: it is a ``Reading`` of valid names, or a ``SourceError`` that says what came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from namepool.core.names import is_default_name, one_line, shown, why_invalid
from namepool.errors import SourceError
from namepool.sources._texts import candidates, clean

RUNGS = ("json_schema", "json_object", "plain")
"""How strictly the form of the reply can be asked for; endpoints differ in what they take."""

THEMES = (
    *("lighthouses and fog horns", "a night market on the moon", "the back room of a bakery"),
    *("polar expeditions that packed too much", "a clockmaker's attic", "gardens after rain"),
    *("retired sea captains", "libraries with secret stairs", "folk tales told by foxes"),
    *("a travelling circus of mathematicians", "old maps and their dragons", "beekeepers"),
    *("kitchen appliances with ambitions", "mountain railways", "early computers"),
    *("a brass band in a thunderstorm", "tea houses of the high desert", "kites and weather"),
    *("underwater post offices", "a museum of lost umbrellas", "balloonists", "star-gazers"),
    *("knitting circles and conspiracies of yarn", "bridge builders", "mushroom hunters"),
    *("a village of inventors", "ferrymen and river spirits", "chess players in parks"),
)
"""What names may be about, unless the user says otherwise."""

THEMES_PER_REQUEST = 3

MAX_REFUSED_SHOWN = 20
"""Rejected names quoted in the next request."""

_FORM = '{"names": ["…", "…"]}'
_SCHEMA = {
    "type": "object",
    "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    "required": ["names"],
    "additionalProperties": False,
}


class Reading(NamedTuple):
    """What a reply gave: valid names in its order, and the others with the rule each breaks."""

    names: list[str]
    rejected: dict[str, str]


# -- the request ----------------------------------------------------------------------------------


def request_body(
    model: str, rung: str, messages: list[dict[str, str]], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the body of a chat completion request; ``extra`` overrides what we would say."""
    body: dict[str, Any] = {"model": model, "messages": messages}
    if rung == "json_schema":
        schema = {"name": "names", "strict": True, "schema": _SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif rung == "json_object":
        body["response_format"] = {"type": "json_object"}
    return {**body, **extra}


def messages(
    count: int,
    themes: Sequence[str],
    used: Sequence[str] = (),
    rejected: Iterable[tuple[str, str]] = (),
    guidance: str | None = None,
    others: Sequence[str] = (),
) -> list[dict[str, str]]:
    """Return the messages that ask for ``count`` names; all of ``used`` is listed in them.

    What requests made at this moment will bring nobody knows; but ``others`` are their themes.
    """
    parts = [
        "You name the agents of a software crew. People meet these names in log lines and in "
        "conversation, so they should be a pleasure to read and impossible to mix up.",
        f"Invent {count} new name{'s' if count > 1 else ''}.",
        "- Each is a given name with an epithet, a trade or a surname that makes one smile, as in "
        '"Ada the Yak Shaver" or "Chet Electron": two to five words, at most 40 characters, '
        "no digits.",
        "- Distinct at first sight: no two with the same given name, none that sound alike.",
        "- Spread them evenly over these themes: " + "; ".join(themes) + ".",
        "- Spread the first letters over the whole alphabet.",
        "- Friendly to everybody: no insults, no slurs, nothing about bodies, religion, politics "
        "or disasters, no living persons, no brands.",
    ]
    if others:
        parts.append("- Somebody else has these themes now; keep away: " + "; ".join(others) + ".")
    if guidance:
        parts.append(guidance)
    if used:
        parts.append("In use already; neither these nor anything like them: " + _listed(used))
    refused = [f"{_quoted(name)} {why}" for name, why in list(rejected)[:MAX_REFUSED_SHOWN]]
    if refused:
        parts.append("You offered these, and they were refused: " + "; ".join(refused) + ".")
    parts.append(f"Answer with JSON and nothing else, in this form: {_FORM}")
    # One message: the chat templates of some local models refuse a system message.
    return [{"role": "user", "content": "\n".join(parts)}]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_quoted(one_line(name, 64)) for name in names)


# -- the reply ------------------------------------------------------------------------------------


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
