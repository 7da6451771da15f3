"""The question to a language model. Pure.

A request and its answer fit a model with a context of 2,048 tokens. So each part that can grow has
a budget.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from namepool.core.names import one_line
from namepool.sources.llm.subjects import EXAMPLES

THEMES_PER_REQUEST = 3

USED_TOKENS = 500
"""The budget for the names in use, if the user does not set their number."""

REFUSED_TOKENS = 250
"""The budget for the refused names."""

OTHERS_TOKENS = 130
"""The budget for the themes of simultaneous requests."""

_QUESTION = """\
You are the Nomenclater: you christen the agents of a software crew. People meet these names \
in log lines and in conversation, so make each one a small joy to read aloud, impossible to \
forget, and impossible to mix up with another.
Invent {count} new name{plural}, in a mix of these kinds:
- jargon: a given name with a term of the trade taken literally, as a calling or a title;
- pulp: the hero or the villain on the cover of a worn paperback, rank and rumour included;
- pun: an ordinary given name and a surname that turn into something else when said aloud;
- quiet: a given name with the trade or the place of somebody you would like to meet.
The form is that of {like}; those are taken, and so is any name that only copies them.
{subject}
Rules:
- two to five words, at most 40 characters: letters, spaces, hyphens, apostrophes, commas and
  full stops, and nothing else, so no quotation marks and no digits;
- distinct at first sight: no given name twice, no two that sound alike, first letters from all
  over the alphabet, given names of many origins, and no joke about an origin;
- wit that is kind to everybody: no insults, no slurs, nothing about bodies, religion, politics
  or disasters, no famous persons, living or dead, no brands."""

_SCHEMA = {
    "type": "object",
    "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    "required": ["names"],
    "additionalProperties": False,
}
_STRICT = {"name": "names", "strict": True, "schema": _SCHEMA}
_FORMS: Mapping[str, dict[str, Any]] = {
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": _STRICT}},
    "json_object with schema": {"response_format": {"type": "json_object", "schema": _SCHEMA}},
    "json_object": {"response_format": {"type": "json_object"}},
    "plain": {},
}


def request_body(
    model: str, rung: str, messages: list[dict[str, str]], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the body of a chat completion request. The fields of ``extra`` replace ours."""
    return {"model": model, "messages": messages, "stream": False, **_FORMS[rung], **extra}


def messages(
    count: int,
    themes: Sequence[str],
    used: Sequence[str] = (),
    rejected: Iterable[tuple[str, str]] = (),
    guidance: str | None = None,
    examples: Sequence[str] = EXAMPLES[:2],
    others: Sequence[str] = (),
    *,
    is_unread: bool = False,
) -> list[dict[str, str]]:
    """Return the messages that ask for ``count`` names. They list all of ``used``.

    ``others`` are the themes of simultaneous requests. Nobody knows their names yet, so this
    request keeps away from their themes. ``is_unread`` means that the last answer to this request
    could not be read.
    """
    subject = f"Themes, spread evenly: {'; '.join(themes)}."
    if len(themes) == 1:
        only = _quoted(themes[0])
        subject = f"They are a crew: each name is about {only}, from a side of its own."
    like, plural = " or ".join(map(_quoted, examples)), "s" if count > 1 else ""
    parts = [_QUESTION.format(count=count, plural=plural, like=like, subject=subject)]
    if kept := within(others, OTHERS_TOKENS):
        parts.append(f"Others have these themes now, so keep away: {'; '.join(kept)}.")
    if guidance:
        parts.append(guidance)
    if used:
        parts.append(f"In use already; neither these nor anything like them: {_listed(used)}")
    if refused := within((f"{_quoted(name)} {why}" for name, why in rejected), REFUSED_TOKENS):
        parts.append(f"You offered these, and they were refused: {'; '.join(refused)}.")
    if is_unread:
        form = json.dumps({"names": [*examples]}, ensure_ascii=False)
        parts.append(f"Your last answer could not be read: write only such an object as {form}.")
    parts.append('Answer with JSON and nothing else, in this form: {"names": ["…", "…"]}')
    # There is only one message, because some local models refuse a system message.
    return [{"role": "user", "content": "\n".join(parts)}]


def tokens(text: str) -> int:
    """Return an estimate of the tokens of ``text``. It is too high rather than too low."""
    ascii_only = sum(map(str.isascii, text))
    return (ascii_only + 2) // 3 + 2 * (len(text) - ascii_only)


def within(texts: Iterable[str], budget: int) -> list[str]:
    """Return the first of ``texts`` that together fit into ``budget`` tokens."""
    kept: list[str] = []
    for text in texts:
        budget -= tokens(text) + 1
        if budget < 0:
            break
        kept.append(text)
    return kept


def latest_within(names: Sequence[str], budget: int = USED_TOKENS) -> list[str]:
    """Return the latest of ``names`` whose list fits into ``budget`` tokens."""
    recent = latest(names, budget)  # each name has at least one token
    return latest(recent, len(within((_listed([name]) for name in reversed(recent)), budget)))


def latest(names: Sequence[str], most: int) -> list[str]:
    """Return the latest of ``names``, at most ``most``."""
    return list(names[max(len(names) - most, 0) :])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_quoted(one_line(name, 64)) for name in names)
