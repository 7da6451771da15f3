"""What a request passes through: ``python -m tests.flows [block | empty | crash]``.

Prints, from a trace of all threads, each function of the package that is called, in order, and how
many calls in how many files that makes:

- ``block``: ``with pool.named(): pass``, of a pool that has names;
- ``empty``: the first name that an empty pool gets from a model;
- ``crash``: from the message that a pool dies of to the first answer of the next incarnation.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any

import namepool
from namepool import AssociateName, Nomenclater, NumberedNames, PoolHandle, open_pool

PACKAGE = Path(namepool.__file__).parent


class Recorder:
    """Notes the calls of the package's functions, on every thread that starts while it is there."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        """Thread, file and function of each."""
        self.is_on = False

    def __call__(self, frame: Any, event: str, _: object) -> None:
        """See ``sys.setprofile``."""
        if event != "call" or not self.is_on:
            return
        file = Path(frame.f_code.co_filename)
        if PACKAGE in file.parents:
            # Not ``current_thread``, which makes a dummy for a thread that is just beginning.
            thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
            name = "a new thread" if thread is None else thread.name
            self.calls.append((name, str(file.relative_to(PACKAGE)), frame.f_code.co_qualname))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note what is called in the block, wherever."""
        self.calls.clear()
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False

    @property
    def files(self) -> list[str]:
        """The files in which the functions are, in order of their first call."""
        return list(dict.fromkeys(file for _, file, _ in self.calls))

    def show(self) -> None:
        """Print what was called."""
        for thread, calls in groupby(self.calls, key=lambda call: call[0]):
            print(f"  on {thread}")
            for (_, file, function), repeated in groupby(calls):
                times = len(list(repeated))
                print(f"    {file:38} {function}{f'  ({times} times)' if times > 1 else ''}")
        print(f"  {len(self.calls)} calls in {len(self.files)} files")


def block(recorder: Recorder) -> None:
    """Record a block of a pool that has names, in the second use of it."""
    with open_pool(source=NumberedNames()) as pool:
        _speak(pool)
        with recorder.recording():
            _speak(pool)


def _speak(pool: PoolHandle) -> None:
    with pool.named():
        pass


def empty(recorder: Recorder) -> None:
    """Record the first name from a model, which a local server plays."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        source = Nomenclater(model="a model", base_url=url)
        with open_pool(source=source) as pool, recorder.recording():
            pool.checkout_name()
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class Model(BaseHTTPRequestHandler):
    """Answers each request with the same two names."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps({"names": ["Ada the Yak Shaver", "Grace Hopscotch"]})
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def crash(recorder: Recorder) -> None:
    """Record a death and what follows, to the first answer of the next incarnation."""
    with open_pool(source=NumberedNames()) as pool:
        pool.checkin_name(pool.checkout_name())
        ref: Any = pool._target.current  # type: ignore[attr-defined]
        logging.disable(logging.CRITICAL)
        try:
            with recorder.recording():
                ref.tell(AssociateName(7, owner="somebody"))  # type: ignore[arg-type]
                ref.wait_gone()
                pool.checkout_name()
        finally:
            logging.disable(logging.NOTSET)


FLOWS: dict[str, Callable[[Recorder], None]] = {"block": block, "empty": empty, "crash": crash}


def recorded(flow: str) -> Recorder:
    """Return the recorder of a flow."""
    recorder = Recorder()
    before = sys.getprofile()
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        FLOWS[flow](recorder)
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return recorder


def main() -> None:
    """Print the flows that are asked for, or all."""
    for flow in sys.argv[1:] or FLOWS:
        print(flow)
        recorded(flow).show()


if __name__ == "__main__":
    main()
