"""The forms of reply that a request can ask for, and when to ask for a less strict one. Pure.

Each vendor refuses a form in other words and with another status. So as long as no form has worked,
an error counts as a refusal of the form, unless it clearly names another cause.
"""

from __future__ import annotations

import re

RUNGS = ("json_schema", "json_object with schema", "json_object", "plain")
"""The forms, from the strictest one to none."""

PLAIN = len(RUNGS) - 1

_REFUSALS = frozenset({400, 404, 405, 422, 501})
_FORM = re.compile(
    r"(?i)response[_ ]?format|required for format|schema|json[_ ](?:object|mode|output)"
    r"|structured[_ -]?output|requested parameters|json_validate_failed|additional ?properties"
    r"|guided|grammar"
)
_NO_JSON_AT_ALL = re.compile(
    r"(?i)json[_ ]mode|json_object\W{0,3} ?(?:response[_ ]?format )?(?:is|are)? ?not"
    r"|feature: ?structured[_ -]outputs|requested parameters"
)
# An endpoint with these words checks every field, or lists its types. It takes no schema beside
# "json_object".
_NO_EXTRA_SCHEMA = re.compile(
    r"(?i)(?:of type|value as)\W{1,3}json_schema|unknown|unexpected|unrecognized|extra|additional"
    r"|not permitted"
)
_MODEL = re.compile(
    r"(?i)model[^\n]{0,60}(?:not found|not exist|not available|unavailable|deprecated"
    r"|decommissioned)|(?:no such|unknown|invalid|unsupported|not a valid) model|model_not_found"
    r"|no models? loaded|no endpoints found for|not found for account|deploymentnotfound"
    r'|"message"\s{0,3}:\s{0,3}"model: [\w.:/@-]{1,100}"'  # Anthropic
)
_FEATURE = re.compile(r"\bjson\b|response type|feature|parameters", re.I)
"""Words of an error about a feature of the model, such as its JSON mode.

Such an error may also match ``_MODEL``, because it says that the feature is "not available". So an
error means that the model itself is missing only if it matches ``_MODEL`` and not this pattern.
"""
_ELSE = re.compile(
    # the key
    r"(?i)api[_ -]?key|unauthori[sz]ed|authenticat|credential|permission|forbidden|no connected db"
    # the quota
    r"|quota|billing|balance|credits|payment|rate[_ -]?limit|too many requests"
    # the size
    r"|context[_ -](?:length|window|size)|maximum context|too (?:long|large)|too many tokens"
    r"|max_(?:completion_)?tokens|token limit"
    r"|exceed[^\n]{0,40}(?:token|length|limit|size|context|maximum)"
    r"|(?:token|length|limit|size|input|prompt)[^\n]{0,40}exceed"
    # the content of the question
    r"|content[_ ](?:filter|management|policy)"
)


def speaks_of_form(said: str) -> bool:
    """Return whether the text of an error is about the form of the reply."""
    return _FORM.search(said) is not None


def wrote_no_json(status: int, said: str) -> bool:
    """Return whether the endpoint took the form but the model did not keep to it."""
    return status == 400 and ("json_validate_failed" in said or "Failed to generate JSON" in said)


def next_rung(rung: int, status: int, said: str, *, proven: bool) -> int | None:
    """Return the rung to ask for after an error, or ``None`` if it is not about the form.

    ``said`` is the start of the error's body. ``proven`` means that some rung has worked with this
    endpoint. After a refusal of one of the two middle rungs, the next rung is the last one. So
    there are at most two steps from the first rung to the last.
    """
    # A refusal should have status 400 or 422, but llama-cpp-python's server answers with 500.
    about_form = speaks_of_form(said) and (status in _REFUSALS or status == 500)
    about_model = _MODEL.search(said) and not _FEATURE.search(said)
    maybe = status in _REFUSALS and not (proven or about_model or _ELSE.search(said))
    if rung == PLAIN or not (about_form or maybe):
        return None
    if rung > 0 or _NO_JSON_AT_ALL.search(said):
        return PLAIN
    return 2 if about_form and _NO_EXTRA_SCHEMA.search(said) else 1
