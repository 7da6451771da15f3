"""No object that holds a key, a password or a session can be pickled or copied."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests

from namepool import FallbackSource, NumberedNames, open_pool
from namepool.pool.options import checked_options
from namepool.sources.llm.asking import Asker as Asking
from namepool.sources.llm.chunk import Chunk, Given
from namepool.sources.llm.connections import Call
from namepool.sources.llm.reply import Reader
from namepool.sources.llm.transport import Answer
from tests.sources.llm.asker import Asker
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told

KEY = "sk-of-one-test-only-0123456789"
URL = "http://127.0.0.1:9/v1"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def _chunk(nomenclater: Any) -> Chunk:
    chunk = Chunk(2, (), Given(), 0)
    chunk.said = f"a wrong key: {nomenclater._endpoint._key}"
    return chunk


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "Nomenclater": lambda nomenclater: nomenclater,
    "FallbackSource": lambda nomenclater: FallbackSource(nomenclater, NumberedNames()),
    "Endpoint": lambda nomenclater: nomenclater._endpoint,
    "Asker": lambda nomenclater: nomenclater._asker,
    "Line": lambda nomenclater: nomenclater._open(),
    "Chunk": _chunk,
    "Call": lambda _: Call(1.0),
    "Answer": lambda _: Answer(401, {"echo": KEY}, KEY.encode()),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("session", [None, requests.Session])
@pytest.mark.parametrize("kind", HOLDERS)
def test_a_holder_of_the_key_says_that_it_cannot_be_pickled(
    kind: str, session: Callable[[], requests.Session] | None, protocol: int, ask: Asker
) -> None:
    own = None if session is None else session()
    holder = HOLDERS[kind](ask(URL, api_key=KEY, session=own))
    with pytest.raises(TypeError, match=f"this {kind} cannot be pickled"):
        pickle.dumps(holder, protocol)


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_copy_of_a_holder_of_the_key_is_the_holder_itself(kind: str, ask: Asker) -> None:
    holder = HOLDERS[kind](ask(URL, api_key=KEY))
    assert copy.copy(holder) is holder
    assert copy.deepcopy({"held": [holder]})["held"][0] is holder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_neither_its_attributes_nor_its_methods_can_be_pickled(protocol: int, ask: Asker) -> None:
    nomenclater = ask(URL, api_key=KEY)
    striker = nomenclater._endpoint.striker
    line = nomenclater._open()
    methods = (nomenclater.fetch, striker, striker(), Reader(striker))
    for held in (vars(nomenclater), vars(nomenclater._asker), *methods):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(held, protocol)
    with pytest.raises(TypeError):
        pickle.dumps(vars(line), protocol)


# -- no class is forgotten --------------------------------------------------------------------


def _slots(thing: object) -> Iterator[Any]:
    """Yield the values of all attributes of an object."""
    yield from getattr(thing, "__dict__", {}).values()
    for kind in type(thing).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            yield getattr(thing, name, None)


def _holds(value: Any, depth: int = 4) -> bool:
    """Tell whether a value holds the key, itself or in containers."""
    if isinstance(value, str):
        return KEY in value
    if isinstance(value, bytes):
        return KEY.encode() in value
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = [*value]
    elif isinstance(value, functools.partial):
        inner = [*value.args, *value.keywords.values()]
    elif isinstance(value, requests.Session | requests.PreparedRequest | requests.Response):
        inner = [*vars(value).values()]
    return depth > 0 and any(_holds(one, depth - 1) for one in inner)


def _holders() -> list[object]:
    """Return every living object of the package that holds the key."""
    found = []
    for thing in gc.get_objects():
        kind = type(thing)
        if str(getattr(kind, "__module__", "")).startswith("namepool"):
            inside = thing if isinstance(thing, tuple | list | dict) else None
            if any(map(_holds, [inside, *_slots(thing)])):
                found.append(thing)
    return found


@pytest.mark.parametrize("is_own", [True, False])
def test_every_object_of_the_package_that_holds_the_key_refuses(
    is_own: bool, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, list[object]]] = []
    names, read_answer, rest = Names(), Reader.read_answer, Asking._rest

    def answer(seen: Seen) -> Told:
        found.append(("asked", _holders()))
        is_first = len(found) == 1
        return Told(500, f"I know {KEY}") if is_first else names(seen)

    def reading(*args: Any) -> Any:
        found.append(("answered", _holders()))
        return read_answer(*args)

    def resting(*args: Any) -> Any:
        found.append(("refused", _holders()))
        return rest(*args)

    monkeypatch.setattr(Reader, "read_answer", reading)
    monkeypatch.setattr(Asking, "_rest", resting)
    with requests.Session() as session, Endpoint(answer) as endpoint:
        session.headers["X-Mine"] = KEY
        own = session if is_own else None
        source = ask(endpoint, api_key=KEY, headers={"X-Key": KEY}, session=own)
        with open_pool(source=source) as pool:
            pool.checkout_name()
            found.append(("in use", _holders()))
    moments = [moment for moment, _ in found]
    assert moments[:2] == ["asked", "refused"]
    assert {"answered", "in use"} <= {*moments}
    kinds = {type(holder).__name__ for _, holders in found for holder in holders}
    assert "Endpoint" in kinds
    assert {"Chunk", "Answer"} <= kinds  # because the scan sees what lives for a moment only
    for _, holders in found:
        for holder in holders:
            for protocol in PROTOCOLS:
                with pytest.raises(TypeError, match=f"{type(holder).__name__} cannot be pickled"):
                    pickle.dumps(holder, protocol)


# -- the options of a pool --------------------------------------------------------------------


def test_the_options_of_a_pool_do_not_keep_the_url_of_its_ledger() -> None:
    options = checked_options({"ledger": f"redis://me:{KEY}@127.0.0.1:9/0"})
    assert options.ledger is None
    assert KEY not in repr(options)
    assert KEY.encode() not in pickle.dumps(options)
