"""The vendors in the guide: how to recognise one, and a hint for its users. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit


class Vendor(NamedTuple):
    """A vendor of the guide, by its host, its port or a header of its answers."""

    name: str
    host: str = ""
    """The host, or its domain."""
    port: int = 0
    """The default port of a server on the user's own machine."""
    header: str = ""
    """The start of the name of a header that only its answers have."""
    hint: str = ""
    """Advice for a user whose endpoint gives no names."""


VENDORS = (
    Vendor("OpenAI", "api.openai.com"),
    Vendor(
        "Azure",
        "azure.com",
        header="apim-request-id",
        hint="the model is the name of your deployment; by its old URL: query api-version, at "
        "least 2024-08-01-preview for a schema",
    ),
    Vendor("Gemini", "generativelanguage.googleapis.com", hint="the URL ends in /v1beta/openai"),
    Vendor("Mistral", "api.mistral.ai", header="mistral-correlation-id"),
    Vendor("Groq", "api.groq.com", header="x-groq-", hint="the URL ends in /openai/v1"),
    Vendor("DeepSeek", "api.deepseek.com", header="x-ds-trace-id"),
    Vendor("Anthropic", "api.anthropic.com", header="anthropic-", hint="the URL ends in /v1"),
    Vendor(
        "OpenRouter", "openrouter.ai", hint="the URL ends in /api/v1; models have a slash in them"
    ),
    Vendor("DeepInfra", "api.deepinfra.com", hint="the URL ends in /v1/openai"),
    Vendor("SiliconFlow", "api.siliconflow.cn", header="x-siliconcloud-"),
    Vendor("SiliconFlow", "api.siliconflow.com"),
    Vendor("Novita", "api.novita.ai", hint="the URL ends in /openai"),
    Vendor(
        "Ollama",
        port=11434,
        hint="the URL ends in /v1; pull the model first; it cuts off a prompt beyond its context "
        "without an error",
    ),
    Vendor("LiteLLM", port=4000, header="x-litellm-", hint="the key is the proxy's own"),
    Vendor("LM Studio", port=1234, hint="load the model first, and start the server"),
    Vendor("TGI", port=3000, header="x-compute-", hint="the model is called tgi"),
    Vendor("llama.cpp", port=8080, hint="any name of a model will do; mind --ctx-size"),
    Vendor("vLLM", port=8000, hint="the model is the one it serves; mind --max-model-len"),
    Vendor("llama-cpp-python", port=8000, hint="mind --n_ctx, which is 2048"),
)


def likely(host: str, headers: Iterable[str] = ()) -> list[Vendor]:
    """Return the likely vendors of an endpoint at a host (with a port). Mostly one, or none.

    ``headers`` are the names of the headers of an answer, in lower case.
    """
    parts = urlsplit(f"//{host}")
    names, domain = list(headers), f".{parts.hostname or ''}"
    told = [v for v in VENDORS if v.header and any(name.startswith(v.header) for name in names)]
    hosted = [v for v in VENDORS if v.host and domain.endswith(f".{v.host}")]
    local = [v for v in VENDORS if v.port and v.port == parts.port]
    return list(dict.fromkeys(told or hosted or local))
