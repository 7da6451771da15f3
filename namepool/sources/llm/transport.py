"""One HTTP request with a deadline that no server can exceed.

The timeouts of ``requests`` are per read, so a server that sends a byte now and then is never late.
So a ``Call`` gives each step of a request only the time that is left. Each attack has its end:

=================================  =================================================
slow DNS                           the lookup is left behind on a thread of its own
many unreachable addresses         they share the time that is left
a slow TLS handshake               it gets the time that is left, as a whole
a slow CONNECT of a proxy          each read gets the time that is left
dripping headers                   each read gets the time that is left
endless interim answers            each read gets the time that is left; MOST_HINTS
a dripping body, also in chunks    each read gets the time that is left
a request that is read slowly      its sending gets the time that is left, as a whole
an endless body                    MAX_BODY
a gzip bomb                        MAX_BODY, after each PIECE
``close()`` by another thread      the sockets are shut down, a lookup is left behind
=================================  =================================================

The connections of a user's session know no deadline. So its requests run on threads, too, which are
left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from urllib3.response import DeflateDecoder, GzipDecoder

from namepool.actors.never_copied import NeverCopied
from namepool.core.names import one_line
from namepool.sources.llm.connections import Call, new_session, proxy_of
from namepool.sources.llm.endpoint import Endpoint
from namepool.sources.llm.logs import struck
from namepool.sources.llm.retry import EndpointError, NoNames

MAX_BODY = 1_000_000
"""The most bytes of a body, both packed and unpacked. A chunk of names has a few thousand."""

PIECE = 1000
"""The most bytes that are unpacked at once. In gzip, a byte can become a thousand."""

_DECODERS = {"gzip": GzipDecoder, "x-gzip": GzipDecoder, "deflate": DeflateDecoder}


@dataclass(frozen=True, repr=False)
class Answer(NeverCopied):
    """The unread answer of an endpoint, which may repeat the key.

    Its ``headers`` have lower-case names.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(NeverCopied):
    """The way to an endpoint. Several threads may use it at once, until it is closed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._calls: set[Call] = set()
        self._closed = threading.Event()

    def post(self, body: bytes, seconds: float) -> Answer:
        """Return the endpoint's answer to ``body``. Block for at most ``seconds``.

        Raises:
            EndpointError: the endpoint did not answer, or not in time, or the line was closed. The
                text holds no secret
        """
        call = Call(seconds)
        self._calls.add(call)
        try:
            if self._closed.is_set():
                call.end()
            with call.closing:
                if self._endpoint.session is None:
                    own = call.closing.enter_context(new_session(call))
                    return self._exchange(call, own, body)
                call.connected = True  # as far as anybody knows
                return call.elsewhere(partial(self._exchange, call, self._endpoint.session, body))
        except Exception as error:
            failure = self._failure(call, error).with_traceback(None)
        finally:
            call.end()
            self._calls.discard(call)
        # Its cause is not chained: the frames and requests of an HTTP library hold the key.
        raise failure

    def wait(self, seconds: float) -> bool:
        """Wait for ``seconds``. When the line is closed, return ``False`` at once."""
        return not self._closed.wait(seconds)

    def close(self) -> None:
        """End the requests under way. Do not wait."""
        self._closed.set()
        for call in list(self._calls):
            call.end()

    def _exchange(self, call: Call, session: requests.Session, body: bytes) -> Answer:
        with (
            struck(self._endpoint.strike),
            session.request(
                "POST",
                self._endpoint.url,
                data=body,
                auth=partial(self._authorise, session.auth),
                headers=self._endpoint.headers,
                # They include the session's own hooks, because requests would leave those out.
                hooks={"response": [_stay_here, *session.hooks["response"]]},
                timeout=call.left(),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, self._read(call, response.raw, headers))

    def _authorise(self, auth: Any, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # If auth is no callable, a .netrc entry for the host replaces our Authorization header.
        if auth:
            login = isinstance(auth, tuple) and len(auth) == 2
            request = (requests.auth.HTTPBasicAuth(*auth) if login else auth)(request)
        self._endpoint.sends(request.url, request.headers)
        return request

    def _read(self, call: Call, raw: Any, headers: Mapping[str, str]) -> bytes:
        """Return the body, unpacked."""
        coding = headers.get("content-encoding", "").strip().lower()
        unpack: Callable[[bytes], bytes] = bytes
        if coding not in ("", "identity"):
            if coding not in _DECODERS:
                told = one_line(self._endpoint.strike(coding), 40)
                raise EndpointError(f"the body is packed with {told}, which is not understood")
            unpack = _DECODERS[coding]().decompress
        read = getattr(raw, "read1", raw.read)  # read1 does not wait for a full piece
        body, came = bytearray(), 0
        while piece := read(PIECE, decode_content=False):
            call.left()  # the connections of a user's session do not look at it
            came += len(piece)
            body += unpack(piece)
            if max(came, len(body)) > MAX_BODY:
                text = f"a body of more than {MAX_BODY} bytes"
                if not body[-PIECE:].strip():  # white space without an end, under a form
                    raise NoNames(text)
                raise EndpointError(text, final=True)
        call.left()  # a socket that is shut down looks like the end of a body
        return bytes(body)

    def _failure(self, call: Call, error: Exception) -> EndpointError:
        if isinstance(error, EndpointError):
            return error
        try:
            return self._translated(call, error)
        except Exception as worse:  # a session of the user's own may raise anything
            told = type(error).__name__, type(worse).__name__
            return EndpointError("{}, and looking for its cause raised {}".format(*told))

    def _translated(self, call: Call, error: Exception) -> EndpointError:
        """Return the error of an HTTP library as ours, without a secret."""
        if self._closed.is_set():
            return EndpointError("the source was closed", final=True)
        proxy = proxy_of(self._endpoint.session or requests.Session(), self._endpoint.url)
        if call.is_late():
            by = "" if proxy is None or call.connected else f" by the proxy {proxy}".rstrip()
            what = "answer" if call.connected else "connection"
            text = f"no {what} within {call.seconds:.3g} s{by}"
            return EndpointError(text, final=True, late=True)
        chain = list(_chain(error))
        cause = chain[-1]  # "connection refused" rather than five wrappers
        text = one_line(self._endpoint.strike(f"{type(cause).__name__}: {cause}"))
        if proxy is not None and any(map(_is_of_proxy, chain)):
            text = f"the proxy {proxy} cannot be used: {text}"
            if not proxy:  # the text of the error may quote its password
                text = "the proxy cannot be used: its URL is wrong (in a password write '/' as %2F)"
        # A ValueError is about our request, and the other errors are about its transport.
        if call.connected and self._endpoint.session is None and isinstance(cause, ConnectionError):
            return NoNames(text)  # it was reached, and has sent nothing
        return EndpointError(text, final=isinstance(error, ValueError))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_proxy(error: BaseException) -> bool:
    """Return whether an error is about a proxy. The endpoint's own URL was checked before."""
    kinds = (requests.exceptions.ProxyError, requests.exceptions.InvalidURL)
    return isinstance(error, kinds) or type(error).__module__ == "socks" or "SOCKS" in str(error)


def _stay_here(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Hide a redirect from the session. To prepare for it, requests would read the whole body."""
    if "Location" in response.headers:
        response.headers["X-Location"] = response.headers.pop("Location")
    return response
