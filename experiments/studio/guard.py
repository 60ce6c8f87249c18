"""Who may talk to the studio: this page alone, with the token that the program has printed."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-studio-token"
MOST_BYTES = 60 << 20  # of a message: base64 of the largest picture that is taken
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware: Origin, token and length of requests, and headers of all responses.

    The page itself (its HTML, script and style) is no secret; all else needs the token.
    """

    def __init__(self, app: ASGIApp, token: str, origins: Sequence[str], guarded: str) -> None:
        """Guard the paths that begin with `guarded`; pages of `origins` may ask."""
        self._app, self._token, self._guarded = app, token, guarded
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no web sockets

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (k.encode(), v.encode())
                        for k, v in HEADERS.items()
                        if k.encode() not in known
                    ),
                ]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, _limited(receive), with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return PlainTextResponse("origin: not this studio's page", 403)
        if not scope["path"].startswith(self._guarded):
            return None
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("origin: another site", 403)
        if not hmac.compare_digest(headers.get(TOKEN, "").encode(), self._token.encode()):
            return PlainTextResponse("token: missing or wrong", 401)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return PlainTextResponse(f"body: expected at most {MOST_BYTES} bytes", 413)
        return None


class TooLongError(Exception):
    """A body is longer than it may be, whatever its header says."""


def _limited(receive: Receive) -> Receive:
    """Count what comes in."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MOST_BYTES:
            raise TooLongError
        return message

    return counted
