"""What is read out of a reply."""

from __future__ import annotations

import contextlib
import json
import time
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool import OfflineNames
from namepool.core.names import MAX_NAME_LENGTH, why_invalid
from namepool.errors import SourceError
from namepool.sources.llm import prompt, reply
from namepool.sources.llm.texts import clean
from tests.support import untraced

READER = reply.Reader()
SCHEMA = prompt.request_body("m", "json_object with schema", [], {})["response_format"]["schema"]
_read_body = partial(READER.read_answer, {})
TWO = ["Ada the Yak Shaver", "Chet Electron"]


def _read_text(text: str) -> reply.Reading:
    return READER.read_document({"choices": [{"message": {"content": text}}]})


# -- every shape of reply -------------------------------------------------------------------------

PLAIN = json.dumps({"names": TWO})
SHAPES = {
    "plain": PLAIN,
    "pretty": json.dumps({"names": TWO}, indent=2),
    "fenced": f"```json\n{PLAIN}\n```",
    "fenced, unnamed, with prose": f"Here you are:\n```\n{PLAIN}\n```\nEnjoy!",
    "after prose": f"Sure, two names [as you asked]: {PLAIN}",
    "before prose": f"{PLAIN}\nI hope they serve {{you}} well.",
    "after a list that is none of it": f'Themes: ["maps", "tea"]. {PLAIN}',
    "after a draft": json.dumps({"names": ["Draft One"]}) + f"\nBetter: {PLAIN}",
    "bare list": json.dumps(TWO),
    "bare list after prose": f"Names: {json.dumps(TWO)}",
    "nested names": json.dumps({"names": {"names": TWO}}),
    "nested values": json.dumps({"names": {"values": TWO}}),
    "under another key": json.dumps({"result": {"names": TWO}}),
    "objects": json.dumps({"names": [{"name": name, "role": "hermit"} for name in TWO]}),
    "bare objects": json.dumps([{"name": name} for name in TWO]),
    "objects after prose": "So: " + json.dumps([{"name": name} for name in TWO]),
    "truncated in a name": '{"names": ["Ada the Yak Shaver", "Chet Electron", "Grace the Ho',
    "truncated after a name": '{"names": ["Ada the Yak Shaver", "Chet Electron"',
    "truncated after a comma": '{"names": ["Ada the Yak Shaver", "Chet Electron",',
    "truncated in an escape": '["Ada the Yak Shaver", "Chet Electron", "Zo\\u00',
    "truncated objects": '[{"name": "Ada the Yak Shaver"}, {"name": "Chet Electron"}, {"na',
    "truncated in a fence": '```json\n{"names": ["Ada the Yak Shaver", "Chet Electron", "G',
    "truncated after another list": '["X"] {"names": ["Ada the Yak Shaver", "Chet Electron", "',
    "trailing comma": '{"names": ["Ada the Yak Shaver", "Chet Electron",]}',
    "numbered lines": "Here:\n1. Ada the Yak Shaver\n2. Chet Electron\n",
    "numbered otherwise": "1) Ada the Yak Shaver\r\n2) Chet Electron",
    "numbered with descriptions": "1. **Ada the Yak Shaver** - a hermit\n2. Chet Electron: a spark",
    "reasoning before it": f'<think>Maybe ["No", "Never"]?</think>\n{PLAIN}',
    "reasoning begun in the prompt": f'Maybe {{"names": ["No"]}}?\n</think>{PLAIN}',
    "reasoning with other tags": f"<thinking>\n1. No\n</thinking>{PLAIN}",
    "reasoning before lines": "<think>1. No</think>\n1. Ada the Yak Shaver\n2. Chet Electron",
    "numbered inside": json.dumps(["1. Ada the Yak Shaver", "2) Chet Electron"]),
    "quoted inside": json.dumps(['"Ada the Yak Shaver"', "“Chet Electron”"]),
    "white space inside": json.dumps(["  Ada the\tYak\n Shaver ", "Chet\u00a0 Electron"]),
    "bullets": "Here:\n- Ada the Yak Shaver\n- Chet Electron\n\nEnjoy!",
    "stars": "* Ada the Yak Shaver\n* Chet Electron",
    "bullets and bold": "• **Ada the Yak Shaver** — a hermit\n• **Chet Electron**: a spark",
    "bullets with bullets": "- Ada the Yak Shaver\n  - a hermit\n- Chet Electron\n  - a spark",
    "bullets under headings": "- Hermits:\n  - Ada the Yak Shaver\n- Sparks:\n  - Chet Electron",
    "bullets and a sentence": "- Ada the Yak Shaver\n- Chet Electron\n- I hope that you like both.",
    "numbers under headings": "## Hermits\n1. Ada the Yak Shaver\n## Sparks\n1. Chet Electron",
    "numbers with bullets": "1. Ada the Yak Shaver\n   - a hermit\n2. Chet Electron\n   - a spark",
    "numbered keys": json.dumps({"name1": TWO[0], "name2": TWO[1]}),
    "numbers for keys": json.dumps({"1": TWO[0], "2": TWO[1]}),
    "numbered keys inside": json.dumps({"names": {"name_1": TWO[0], "name_2": TWO[1]}}),
    "Python": str({"names": TWO}),
    "Python in a fence": f"```python\n{TWO}\n```",
    "keys without quotes": '{names: ["Ada the Yak Shaver", "Chet Electron"]}',
    "groups": json.dumps({"hermits": [TWO[0]], "sparks": [TWO[1]]}),
    "groups inside": json.dumps({"names": {"hermits": [TWO[0]], "sparks": [TWO[1]]}}),
    "a list of groups": json.dumps([{"theme": "a", "names": [n]} for n in TWO]),
    "groups, one a line": "\n".join(json.dumps({"theme": "a", "names": [n]}) for n in TWO),
    "names, one object a line": "\n".join(json.dumps({"name": name}) for name in TWO),
    "lists of lists": json.dumps([[TWO[0]], [TWO[1]]]),
    "themes and names": json.dumps({"themes": ["maps", "tea"], "characters": TWO}),
    "a tool's arguments": json.dumps({"name": "give_names", "arguments": {"names": TWO}}),
    "a tool's arguments as text": json.dumps({"name": "give", "arguments": PLAIN}),
    "a tool's parameters": json.dumps([{"name": "give", "parameters": {"names": TWO}}]),
    "a tool call in tags": "<tool_call>"
    + json.dumps({"name": "give", "arguments": {"names": TWO}})
    + "</tool_call>",
    "encoded twice": json.dumps(PLAIN),
    "encoded three times": json.dumps(json.dumps(PLAIN)),
    "sixty brackets before it": "[see] " * 60 + PLAIN,
    "a stray quote before it": f'A 5" screen. {PLAIN}',
    "a bracket and a quote before it": f'Note: [" {PLAIN}',
    "reasoning in reasoning": f"<think>a<think>b</think>\n1. No</think>{PLAIN}",
    "groups under themes": json.dumps({"themes": {"hermits": [TWO[0]], "sparks": [TWO[1]]}}),
    "a list of groups under themes": json.dumps(
        {"themes": [{"theme": "a", "names": [name]} for name in TWO]}
    ),
    "lists under headings": f'### Hermits\n["{TWO[0]}"]\n### Sparks\n["{TWO[1]}"]',
    "fenced lists under headings": "\n".join(
        f"**{kind}**\n```json\n{json.dumps([name])}\n```"
        for kind, name in zip(("Hermits", "Sparks"), TWO, strict=True)
    ),
    "objects after labels": f"Hermits: {json.dumps(TWO[:1])}\nSparks: {json.dumps(TWO[1:])}",
    "a labelled draft": f'Draft: {{"names": ["Draft One"]}}\nFinal: {PLAIN}',
    "labelled themes": f'Themes: ["maps", "tea"]\nHermits: {json.dumps(TWO)}',
    "a list before its labelled kinds": f'{json.dumps(TWO)}\nKinds: ["jargon", "pulp"]',
    "an object before its kinds": f'{PLAIN}\n\nKinds used: {{"kinds": ["jargon", "pulp"]}}',
    "an object before another": f'{PLAIN}\n\nBy the way: {{"words": ["jargon", "pulp"]}}',
    "bullets under numbered headings": "1. Hermits\n   - Ada the Yak Shaver\n2. Sparks\n"
    "   - Chet Electron",
    "bullets under bulleted headings": "- Hermits\n  - Ada the Yak Shaver\n- Sparks\n"
    "  - Chet Electron",
    "tabs under bulleted headings": "- Hermits\n\t- Ada the Yak Shaver\n\t- Chet Electron",
    "bullets after numbered rules": "Rules I kept:\n1. Two to five words\n2. No digits\n\n"
    "- Ada the Yak Shaver\n- Chet Electron",
    "numbers after numbered rules": "Rules:\n1. Two to five words\n2. No digits\n\nSo:\n"
    "1. Ada the Yak Shaver\n2. Chet Electron",
    "numbers after rules in bullets": "- Two to five words\n- No digits\n\n"
    "1. Ada the Yak Shaver\n2. Chet Electron",
    "dots without space": "•Ada the Yak Shaver\n•Chet Electron",
    "plus signs": "+ Ada the Yak Shaver\n+ Chet Electron",
    "bold numbers": "**1.** Ada the Yak Shaver\n**2.** Chet Electron",
    "a name for each kind": json.dumps({"names": {"hermit": TWO[0], "spark": TWO[1]}}),
    "a description for each name": json.dumps({"names": dict.fromkeys(TWO, "a mild hermit")}),
    "text inside": json.dumps({"names": json.dumps(TWO)}),
    "text under another key": json.dumps({"response": PLAIN}),
    "encoded twice in a fence": f"```json\n{json.dumps(PLAIN)}\n```",
    "a list of texts": json.dumps([json.dumps({"name": name}) for name in TWO]),
    "a schema that was filled": json.dumps({"type": "object", "properties": {"names": TWO}}),
    "a line break in a string": '{"names": ["Ada the\nYak Shaver", "Chet Electron"]}',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_names_are_read_from_a_reply(shape: str) -> None:
    assert _read_text(SHAPES[shape]) == (TWO, {})


@pytest.mark.parametrize("shape", SHAPES)
def test_names_are_read_from_a_chat_completion(shape: str) -> None:
    document = {"choices": [{"message": {"content": SHAPES[shape]}}]}
    assert _read_body(json.dumps(document).encode()).names == TWO


def _read(**message: Any) -> list[str]:
    return READER.read_document({"choices": [{"message": message}]}).names


def _called(name: str, arguments: object) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name, "arguments": arguments}}]


@pytest.mark.parametrize("arguments", [PLAIN, {"names": TWO}, "{}" + PLAIN, PLAIN[:-2]])
def test_the_arguments_of_a_tool_call_are_read(arguments: object) -> None:
    assert _read(content=None, tool_calls=_called("give_names", arguments)) == TWO


@pytest.mark.parametrize("arguments", ["", "{}", None, '{"nam', 7])
def test_the_name_of_a_tool_is_never_a_name(arguments: object) -> None:
    with pytest.raises(SourceError):
        _read(content=None, tool_calls=_called("give_names", arguments))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "give_names", "arguments": {}}',
        '{"name": "give_names", "argu',
        '{"name": "give"',
        '{"name": "give_names"}',
        'I call {"name": "giveNames"}',
        '{"name": "functions.give_names"}',
    ],
)
def test_the_name_of_a_tool_is_no_name_in_the_text_either(text: str) -> None:
    with pytest.raises(SourceError):
        _read_text(text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SCHEMA),
        f"```json\n{json.dumps(SCHEMA)}\n```",
        json.dumps({"name": "names", "strict": True, "schema": SCHEMA}),
        "1. Understand the rules\n2. Two to five words\n3. Draft the names",
    ],
)
def test_what_was_asked_for_is_no_name(text: str) -> None:
    with pytest.raises(SourceError):
        _read_text(text)


def test_a_list_with_one_likely_name_is_a_list_of_names() -> None:
    names = ["Ada Quill", "Bo of the reef", "Cy of the hill"]
    assert _read_text("\n".join(f"{n}. {name}" for n, name in enumerate(names, 1))) == (
        names,
        {},
    )


@pytest.mark.parametrize("key", ["input", "args", "kwargs", "arguments", "parameters"])
@pytest.mark.parametrize("form", ["{}", "So: {}", "[{}]"])
def test_a_call_in_the_text_gives_its_arguments_only(key: str, form: str) -> None:
    call = json.dumps({"name": "give", key: {"names": TWO}})
    assert _read_text(form.replace("{}", call)) == (TWO, {})


@pytest.mark.parametrize("texts", [[], [{"type": "text", "text": "I give them names:"}]])
def test_a_part_of_the_content_may_be_a_call(texts: list[Any]) -> None:
    call = {"type": "tool_use", "id": "t", "name": "give", "input": {"names": TWO}}
    assert _read(content=[*texts, call]) == TWO


@pytest.mark.parametrize("content", ['{"name": "give_names"}', '{"name": "give"}', "1. Give Names"])
def test_a_call_says_more_than_the_text_beside_it(content: str) -> None:
    assert _read(content=content, tool_calls=_called("give_names", PLAIN)) == TWO


def test_the_call_of_a_function_is_read() -> None:
    assert _read(content="", function_call={"name": "give", "arguments": PLAIN}) == TWO


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, "", " \n", []])
def test_what_a_model_only_thought_is_read_if_it_said_nothing(field: str, content: Any) -> None:
    assert _read(content=content, **{field: f"Hm. {PLAIN}"}) == TWO


def test_what_a_model_thought_is_not_read_if_it_said_something() -> None:
    assert _read(content=PLAIN, reasoning_content='["No", "Never"]') == TWO


@pytest.mark.parametrize("content", [{"names": TWO}, TWO, [{"name": name} for name in TWO]])
def test_content_may_be_an_object(content: object) -> None:
    assert _read(content=content) == TWO


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "TEXT/HTML", "x"])
def test_a_chat_completion_counts_whatever_its_type_is_called(kind: str) -> None:
    body = json.dumps({"choices": [{"message": {"content": PLAIN}}]}).encode()
    assert READER.read_answer({"content-type": kind}, body).names == TWO


def test_the_first_fault_of_an_answer_is_told_in_words() -> None:
    for body in (
        b'{"error": {"message": "no such model", "type": "x", "code": 7}}',
        b'[{"error": {"code": 400, "message": "no such model", "status": "INVALID_ARGUMENT"}}]',
        b'{"error": "no such model"}',
        b'{"message": "no such model", "data": null}',
        b'{"detail": [{"loc": ["body"], "msg": "no such model"}]}',
        b"no such model",
    ):
        assert READER.error_text(body) == "no such model"


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": '{"names": ["Ada '}, {"type": "text", "text": 'Two"]}'}]
    assert READER.read_document({"choices": [{"message": {"content": parts}}]}).names == ["Ada Two"]


def test_a_byte_order_mark_does_no_harm() -> None:
    document = {"choices": [{"message": {"content": PLAIN}}]}
    assert _read_body(b"\xef\xbb\xbf" + json.dumps(document).encode()).names == TWO


def test_names_that_may_not_be_names_are_told_apart_with_the_reason() -> None:
    offered = [
        "Ada",
        "X" * 65,
        "",
        None,
        7,
        {"title": "Dr"},
        "a\u202eb",
        "Nemo Nobody",
        "nemo-nobody",
        "root",
        "Ada <b>",
    ]
    reading = _read_text(json.dumps({"names": offered}))
    assert reading.names == ["Ada"]
    assert len(reading.rejected) == len(offered) - 1
    assert reading.rejected["Nemo Nobody"] == "is reserved"
    assert "at most 64" in reading.rejected["X" * 65]
    assert "that programs read" in reading.rejected["root"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("  Ada  ", "Ada"),
        ("'Ada'", "Ada"),
        ("Ada O'Brien", "Ada O'Brien"),
        ("the Joneses'", "the Joneses'"),
        ("12. Ada", "Ada"),
        ("(3) Ada", "Ada"),
        ("- Ada", "Ada"),
        ('1. "Ada"', "Ada"),
        ('"1. Ada"', "Ada"),
        ("**Ada**", "Ada"),
        ("Ada,", "Ada"),
        ("NPC #1", "NPC #1"),
        ("3.5 Ada", "3.5 Ada"),
    ],
)
def test_a_name_is_cleaned(raw: str, name: str) -> None:
    assert clean(raw) == name


# -- replies without names ------------------------------------------------------------------------


def _complaint(body: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        _read_body(body)
    return str(caught.value)


def _message(**message: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()


def test_a_refusal_is_told_on_one_line() -> None:
    text = _complaint(_message(content=None, refusal="I\ncannot \x1b[31mdo that"))
    assert "the model refused: I\\ncannot \\x1b[31mdo that" in text


def test_no_content_is_told_with_the_reason_for_the_end() -> None:
    assert "finish_reason: stop" in _complaint(_message(content=""))


def test_an_error_in_a_200_is_told() -> None:
    assert "over quota" in _complaint(b'{"error": {"message": "over quota"}}')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"<html>", "not JSON: <html>"),
        (b"[]", "no chat completion: []"),
        (b"{}", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'{"choices": [3]}', "no chat completion"),
        (b"[" * 100_000, "not JSON"),
        (b"1" * 10_000, "not JSON"),
    ],
)
def test_what_is_no_chat_completion_is_told(body: bytes, said: str) -> None:
    assert said in _complaint(body)


@pytest.mark.parametrize(
    "content", ["I cannot.", "{}", "[]", '{"names": []}', "<think>1. Ada", "7"]
)
def test_content_without_names_is_told(content: str) -> None:
    assert "no names in the model's text" in _complaint(_message(content=content))


def test_what_came_is_cut_and_escaped() -> None:
    text = _complaint(b"\x00\n" + b"x" * 10_000)
    assert len(text) < 300
    assert "\\x00\\n" in text


@pytest.mark.parametrize("times", [10**4, pytest.param(10**5, marks=pytest.mark.proof)])
@pytest.mark.parametrize("text", ["[", '["a",', '"name":"', '{"names":[', "<think>", "Ada: "])
def test_hostile_content_is_read_in_reasonable_time(text: str, times: int) -> None:
    began = time.process_time()
    with untraced(), contextlib.suppress(SourceError):
        _read_text(text * times)
    assert time.process_time() - began < 5 * times / 10**5


# -- anything at all ------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
KEYS = st.sampled_from(["names", "values", "name", "choices", "message", "content", "error"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(KEYS | st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)
MARKUP = st.lists(
    st.sampled_from(
        ['{"names": [', '"', "]", "}", "[", ",", "1. ", "\n", "<think>", "</think>", "```"]
    )
    | st.text(max_size=8)
).map("".join)


def _holds(reading: reply.Reading) -> None:
    assert reading.names or reading.rejected
    for name in reading.names:
        assert why_invalid(name) is None
        assert len(name) <= MAX_NAME_LENGTH
    assert all(isinstance(reason, str) for reason in reading.rejected.values())


def _check(read: Any, what: Any) -> None:
    try:
        reading = read(what)
    except SourceError as error:
        complaint = str(error)
    else:
        _holds(reading)
        return
    assert "\n" not in complaint
    assert len(complaint) < 400


@settings(deadline=None)
@given(st.text() | MARKUP | JSON.map(json.dumps))
def test_any_text_gives_valid_names_or_a_source_error(text: str) -> None:
    _check(_read_text, text)


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_give_valid_names_or_a_source_error(body: bytes) -> None:
    _check(_read_body, body)


@settings(deadline=None)
@given(JSON)
def test_any_json_gives_valid_names_or_a_source_error(document: Any) -> None:
    _check(READER.read_document, document)


@settings(deadline=None)
@given(MARKUP | JSON.map(json.dumps) | JSON)
def test_any_content_of_a_completion_gives_valid_names_or_a_source_error(content: Any) -> None:
    document = {"choices": [{"message": {"content": content, "refusal": content}}]}
    _check(_read_body, json.dumps(document).encode())


@pytest.mark.parametrize("form", ["{}", "1. {}", "{} – a quiet baker", '{{"name": "{}"}}'])
@pytest.mark.parametrize("mark", ["\n", ", "])
def test_no_name_of_a_long_reply_is_cut_in_two(form: str, mark: str) -> None:
    names = OfflineNames(seed="7").fetch(1000, ())
    for shift in range(0, 40, 3):
        text = "x" * shift + "\n" + mark.join(form.format(name) for name in names)
        message = {"message": {"content": text}}
        with contextlib.suppress(SourceError):
            assert set(READER.read_document({"choices": [message]}).names) <= set(names)
