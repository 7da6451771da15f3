"""Each vendor of the guide answers in its own words, and gives names all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from namepool.cli import vendors
from namepool.sources.llm import ladder
from namepool.sources.llm.ladder import RUNGS
from tests.sources.llm.asker import Asker, failure
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told, completion

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "sources-and-models.md"
Refuse = Callable[[Seen], Told | None]


def _error(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, **more}})


def _takes(*forms: str | None, status: int, said: str) -> Refuse:
    """Refuse every other form with this status, in these words."""
    return lambda seen: None if seen.form in forms else Told(status, said)


def _fine(_: Seen) -> None:
    return None


def _azure_of_old(seen: Seen) -> Told | None:
    said = "response_format value as json_schema is enabled only for api versions "
    if seen.form == "json_schema":
        return Told(400, _error(said + "2024-08-01-preview and later", code="BadRequest"))
    if seen.form == "json_object with schema":
        return Told(400, _error("Unknown parameter: 'response_format.schema'."))
    return None


def _old_model(seen: Seen) -> Told | None:
    if seen.form == "json_schema":
        return Told(400, _error(OPENAI_SCHEMA, param="response_format"))
    if seen.form == "json_object with schema":
        return Told(400, _error("Unknown parameter: 'response_format.schema'."))
    return None


def _ignored(seen: Seen) -> Told:
    names = [f"Agent{seen.wanted}x{n}" for n in range(seen.wanted)]
    return completion("With pleasure!\n" + "\n".join(f"{n}. **{x}**" for n, x in enumerate(names)))


def _wrote_prose(said: str) -> Refuse:
    code = {"type": "invalid_request_error", "code": "json_validate_failed"}
    return lambda seen: Told(400, _error(said, **code)) if seen.form else None


MISSING = (
    "Failed to deserialize the JSON body into the target type: response_format: missing field "
    "`value` at line 1 column 168"
)
LLAMA = (
    "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': 'Input ...'}]"
)
LITELLM = (
    "litellm.UnsupportedParamsError: x does not support parameters: ['response_format'], for "
    "model=y. To drop these, set `litellm.drop_params=True`"
)
GROQ = "Failed to generate JSON. Please adjust your prompt. See 'failed_generation'"
GROQ_SCHEMA = (
    "This model does not support response format `json_schema`. See supported models at "
    "https://console.groq.com/docs/structured-outputs#supported-models"
)
OPENAI_SCHEMA = (
    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. "
    "Learn more about supported models at the Structured Outputs guide: "
    "https://platform.openai.com/docs/guides/structured-outputs"
)
DEEPINFRA = "json_object response format is not supported for model: stepfun-ai/Step-3.5-Flash"
SILICON = '{"code":20024,"message":"Json mode is not supported for this model.","data":null}'
NOVITA = (
    '{"code":400,"reason":"INVALID_REQUEST_BODY","message":"model: x/y does not support feature: '
    'structured-outputs"}'
)
GEMINI = json.dumps([{"error": {"code": 400, "message": "Json mode is not enabled for models/g"}}])
OPENROUTER = _error("No endpoints found that can handle the requested parameters.", code=404)
OBJECT, WITH_SCHEMA, SCHEMA = "json_object", "json_object with schema", "json_schema"


class Row(NamedTuple):
    """How a vendor behaves, the form it ends with, and the requests until then."""

    vendor: str
    refuse: Refuse
    rung: str
    requests: int = 1


ROWS = [
    Row("OpenAI", _fine, SCHEMA),
    Row("OpenAI", _old_model, OBJECT, 2),
    Row("Azure", _fine, SCHEMA),
    Row("Azure", _azure_of_old, OBJECT, 2),
    Row("Gemini", _fine, SCHEMA),
    Row("Gemini", _takes(None, status=400, said=GEMINI), "plain", 2),
    Row("Mistral", _fine, SCHEMA),
    Row("Groq", _fine, SCHEMA),
    Row("Groq", _takes(OBJECT, WITH_SCHEMA, status=400, said=_error(GROQ_SCHEMA)), WITH_SCHEMA, 2),
    Row("Groq", _wrote_prose(GROQ), "plain", 3),
    Row(
        "DeepSeek",
        _takes(
            OBJECT,
            WITH_SCHEMA,
            status=400,
            said=_error("This response_format type is unavailable now"),
        ),
        WITH_SCHEMA,
        2,
    ),
    Row("Anthropic", _ignored, SCHEMA),
    Row("OpenRouter", _fine, SCHEMA),
    Row("OpenRouter", _takes(None, status=404, said=OPENROUTER), "plain", 2),
    Row("DeepInfra", _takes(None, status=405, said=_error(DEEPINFRA)), "plain", 2),
    Row("SiliconFlow", _takes(None, status=400, said=SILICON), "plain", 2),
    Row("Novita", _takes(None, status=400, said=NOVITA), "plain", 2),
    Row("Ollama", _fine, SCHEMA),
    Row("llama.cpp", _fine, SCHEMA),
    Row(
        "llama-cpp-python",
        _takes(OBJECT, WITH_SCHEMA, None, status=500, said=_error(LLAMA)),
        WITH_SCHEMA,
        2,
    ),
    Row("LM Studio", _fine, SCHEMA),
    Row("vLLM", _fine, SCHEMA),
    Row("TGI", _takes(None, status=422, said=_error(MISSING)), "plain", 3),
    Row("LiteLLM", _fine, SCHEMA),
    Row("LiteLLM", _takes(None, status=400, said=_error(LITELLM)), "plain", 3),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.vendor}, {row.rung}")
def test_a_vendor_gives_names(row: Row, ask: Asker) -> None:
    names = Names()
    with Endpoint(lambda seen: row.refuse(seen) or names(seen)) as endpoint:
        nomenclater = ask(endpoint)
        assert len(nomenclater.fetch(3, ())) == 3
        assert RUNGS[nomenclater._asker.rung] == row.rung
        assert len(endpoint.seen) == row.requests
        nomenclater.fetch(2, ())
        assert len(endpoint.seen) == row.requests + 1


class Section(NamedTuple):
    """A vendor's section in the guide."""

    code: str
    form: str
    documentation: str


def _sections() -> dict[str, Section]:
    """Return the vendors' sections of the guide by their headings."""
    text = GUIDE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    sections: dict[str, Section] = {}
    for part in text.split("\n### ")[1:]:
        found = SECTION.fullmatch(part.strip())
        assert found is not None, part
        sections[found[1]] = Section(found[2], found[3], found[4])
    return sections


HEADING = "\n## Find the settings of your vendor\n"
SECTION = re.compile(
    r"([^\n]+)\n\n```python\n(.+)\n```\n\n- Form: (.+)\n- Documentation: (.+)", re.DOTALL
)


def test_every_vendor_has_its_section_in_the_guide_and_its_test() -> None:
    names = {re.sub(r" \(.*\)", "", name) for name in _sections()}
    assert names == {row.vendor for row in ROWS} == {vendor.name for vendor in vendors.VENDORS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.vendor}, {row.rung}")
def test_the_guide_tells_the_form_a_vendor_takes(row: Row) -> None:
    told = [one.form for name, one in _sections().items() if name.startswith(row.vendor)]
    assert any(f"`{row.rung}`" in form for form in told)


def test_every_section_of_the_guide_has_a_line_of_code_and_a_source() -> None:
    for name, section in _sections().items():
        assert section.code.startswith("Nomenclater("), name
        source = section.documentation
        assert "](https://" in source or "run here" in source, name


# -- what may be a refusal ------------------------------------------------------------------------

VAGUE = ["", "Bad Request", "no\nway", '{"detail": "invalid request"}', "<html>Not Found</html>"]
ELSE = [
    ("the key", 400, "Incorrect API key provided: sk-x. You can find your API key at ..."),
    ("the key", 400, "No connected db."),
    ("the model", 404, "The model `gpt-9` does not exist or you do not have access to it."),
    ("the model", 404, 'model "llama9" not found, try pulling it first'),
    ("the model", 400, "Model Not Exist"),
    ("the model", 400, "llama9 is not a valid model ID"),
    ("the model", 404, "models/gemini-1.5-x is not found for API version v1main"),
    ("the model", 404, "No models loaded. Please load a model in the developer page"),
    ("the model", 404, "No endpoints found for nousresearch/hermes-3:free."),
    (
        "the model",
        404,
        '{"error":{"code":"DeploymentNotFound","message":"The API deployment ..."}}',
    ),
    (
        "the model",
        404,
        '{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}',
    ),
    ("the size", 400, "Input exceeds the limit of 2048"),
    ("the quota", 400, "Your credit balance is too low to access the API: see billing"),
    ("the quota", 400, "You exceeded your current quota"),
    ("the size", 400, "This model's maximum context length is 2048 tokens."),
    ("the size", 400, "max_tokens is too large: 99999"),
    ("the size", 422, "the prompt is too long"),
]


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
@pytest.mark.parametrize("said", VAGUE)
def test_a_vague_error_costs_two_requests_more_until_a_form_has_worked(
    status: int, said: str, ask: Asker
) -> None:
    with Endpoint(Told(status, said)) as endpoint:
        assert failure(ask(endpoint)).status == status
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, WITH_SCHEMA, None]


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
def test_a_vague_error_is_an_error_once_a_form_has_worked(status: int, ask: Asker) -> None:
    with Endpoint(Names(), Told(status, "no\nway")) as endpoint:
        nomenclater = ask(endpoint, max_attempts=1)
        nomenclater.fetch(1, ())
        assert failure(nomenclater).status == status
    assert len(endpoint.seen) == 2


def test_an_error_that_speaks_of_the_form_steps_down_also_later(ask: Asker) -> None:
    names = Names()
    with Endpoint(names, Told(400, SILICON), names) as endpoint:
        nomenclater = ask(endpoint)
        nomenclater.fetch(1, ())
        assert nomenclater.fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, SCHEMA, None]


@pytest.mark.parametrize(("what", "status", "said"), ELSE)
def test_an_error_about_something_else_costs_no_request(
    what: str, status: int, said: str, ask: Asker
) -> None:
    with Endpoint(Told(status, said if said.startswith("{") else _error(said))) as endpoint:
        assert failure(ask(endpoint)).status == status
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    "said",
    [
        "Unsupported model for JSON response type",
        "This model: feature is not available",
        "Parameters exceeding what this model supports",
    ],
)
def test_a_form_that_a_model_lacks_is_no_lack_of_a_model(said: str, ask: Asker) -> None:
    names = Names()
    refuse = _takes(None, status=400, said=_error(said))
    with Endpoint(lambda seen: refuse(seen) or names(seen)) as endpoint:
        assert ask(endpoint, max_attempts=1).fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, WITH_SCHEMA, None]


@pytest.mark.parametrize(
    ("said", "second"),
    [
        ("response_format: unknown variant, schema unexpected", OBJECT),
        ("response_format: extra field schema", OBJECT),
        ("response_format.schema", WITH_SCHEMA),
        ("guided decoding is off", WITH_SCHEMA),
    ],
)
def test_no_words_cost_more_than_two_requests_more(said: str, second: str, ask: Asker) -> None:
    with Endpoint(Told(400, said)) as endpoint:
        failure(ask(endpoint))
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, second, None]


def test_the_one_attempt_is_enough_for_a_model_that_never_writes_json(ask: Asker) -> None:
    names, prose = Names(), _wrote_prose(GROQ)
    with Endpoint(lambda seen: prose(seen) or names(seen)) as endpoint:
        assert ask(endpoint, max_attempts=1).fetch(1, ())
        assert ask(endpoint).probe(1).form == "plain"
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, SCHEMA, None] * 2


def test_prose_and_a_refusal_together_cost_two_requests_more_too(ask: Asker) -> None:
    prose, refusal = Told(400, _error(GROQ)), Told(400, _error(GROQ_SCHEMA))
    for answers, second in (((refusal, prose), WITH_SCHEMA), ((prose, refusal), SCHEMA)):
        with Endpoint(*answers, Names()) as endpoint:
            assert ask(endpoint, max_attempts=1).fetch(1, ())
        assert [seen.form for seen in endpoint.seen] == [SCHEMA, second, None]


def test_prose_where_no_form_was_asked_for_is_an_error_in_the_end(ask: Asker) -> None:
    prose = Told(400, _error(GROQ, code="json_validate_failed"))
    with Endpoint(prose) as endpoint:
        assert failure(ask(endpoint, max_attempts=1)).status == 400
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, SCHEMA, None]


def test_a_model_that_wrote_no_json_is_tried_again_before_the_form_is_given_up(ask: Asker) -> None:
    prose = Told(400, _error(GROQ, code="json_validate_failed"))
    with Endpoint(prose, Names()) as endpoint:
        assert ask(endpoint).fetch(1, ())
    assert [seen.form for seen in endpoint.seen] == [SCHEMA, SCHEMA]


def test_the_search_for_words_takes_as_long_as_what_is_searched() -> None:
    said = ("model " * 700)[:4000]
    assert ladder.next_rung(0, 400, said, proven=False) == 1


# -- whose endpoint it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "headers", "name"),
    [
        ("api.openai.com", None, (), "OpenAI"),
        ("my-resource.openai.azure.com", None, (), "Azure"),
        ("x.services.ai.azure.com", 443, (), "Azure"),
        ("localhost", 11434, (), "Ollama"),
        ("gateway.example", 443, ("x-litellm-version",), "LiteLLM"),
        ("localhost", 8000, ("x-litellm-version", "server"), "LiteLLM"),
        ("localhost", 8080, ("openai-processing-ms",), "llama.cpp"),
        ("openrouter.ai", None, (), "OpenRouter"),
        ("api.siliconflow.com", None, (), "SiliconFlow"),
    ],
)
def test_a_vendor_is_told_by_host_port_or_header(
    host: str, port: int | None, headers: tuple[str, ...], name: str
) -> None:
    found = vendors.likely(f"{host}:{port}" if port else host, headers)
    assert [vendor.name for vendor in found] == [name]


@pytest.mark.parametrize("host", ["localhost", "notopenrouter.ai", "api.openai.com.evil.example"])
def test_a_stranger_is_nobodys(host: str) -> None:
    assert vendors.likely(f"{host}:443", ("server",)) == []


def test_two_servers_share_a_port() -> None:
    found = [vendor.name for vendor in vendors.likely("localhost:8000")]
    assert found == ["vLLM", "llama-cpp-python"]
