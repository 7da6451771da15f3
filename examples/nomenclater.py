"""Names from a language model, and from the next source when the model has no more.

The model is a stand-in: an HTTP server on this machine that answers as an OpenAI-compatible
endpoint does. With a real one, leave ``base_url`` out and set OPENAI_API_KEY, or point it to yours.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

import namepool

REPLY = 'With pleasure!\n```json\n{"names": ["Wanda the Windmill", "Otto Overcast"]}\n```'


class StandIn(BaseHTTPRequestHandler):
    """Answers every question with the same names, and some chatter around them."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"choices": [{"message": {"content": REPLY}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stand_in() -> Iterator[str]:
    """Run the server for the length of the block; yield its base URL."""
    with HTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def report(pool: namepool.PoolHandle) -> None:
    """Take a name and say where it came from."""
    name = pool.checkout_name()
    source = pool.pool_stats().last_source or "nowhere"
    print(f"{name}: from {source.partition(' (')[0]}")


def main() -> None:
    """Take more names than the model knows: the next source steps in."""
    # The pool warns when a source fails; here that is the point.
    logging.getLogger("namepool").setLevel(logging.ERROR)
    session = requests.Session()
    session.trust_env = False  # the stand-in is on this machine: no proxy
    with session, stand_in() as base_url:
        model = namepool.Nomenclater("stand-in", base_url, max_attempts=1, session=session)
        source = namepool.FallbackSource(model, namepool.OfflineNames(seed=13))
        with namepool.open_pool(source=source, chunk_size=2, low_water_mark=0) as pool:
            for _ in range(3):  # two are all that the stand-in knows
                report(pool)


if __name__ == "__main__":
    main()
