"""What a language model is asked for names. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from namepool.names import one_line

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
) -> list[dict[str, str]]:
    """Return the messages that ask for ``count`` names; all of ``used`` is listed in them."""
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
