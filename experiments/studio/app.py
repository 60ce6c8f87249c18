"""The studio's web application: a page, one address for messages, and one for events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from experiments.studio import guard
from experiments.studio.events import Events
from experiments.studio.guard import Guard
from mg_jax.interactive.desk import Desk

_BEAT = 15.0  # seconds between signs of life, so that lost connections are noticed
_FILES = {
    "/": ("experiments.studio", "index.html", "text/html"),
    "/studio.js": ("mg_jax.interactive", "page/studio.js", "text/javascript"),
    "/studio.css": ("mg_jax.interactive", "page/studio.css", "text/css"),
    "/start.js": ("experiments.studio", "start.js", "text/javascript"),
}


def build(
    desk: Desk,
    events: Events,
    token: str,
    hosts: Sequence[str],
    port: int,
    started: Callable[[], None] = lambda: None,
) -> Starlette:
    """Build the application.

    Args:
        desk: answers messages.
        events: what the desk tells.
        token: a secret of whoever may use it, as text.
        hosts: the names by which it may be reached.
        port: where it is served.
        started: called when it is about to answer.
    """

    async def message(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return PlainTextResponse("content-type: expected application/json", 415)
        try:
            asked: Any = json.loads(await request.body())
        except guard.TooLongError:
            return PlainTextResponse(f"body: expected at most {guard.MOST_BYTES} bytes", 413)
        except (ValueError, RecursionError):
            return PlainTextResponse("body: expected JSON", 400)
        try:
            return JSONResponse(await run_in_threadpool(desk.answer, asked))
        except asyncio.CancelledError:  # the program ends, and nobody waits for the answer
            return PlainTextResponse("ends", 503)

    async def event_stream(_: Request) -> Response:
        return StreamingResponse(_stream(events), media_type="text/event-stream")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        events.begin(asyncio.get_running_loop())
        started()
        yield
        events.end()

    return Starlette(
        routes=[
            *(Route(path, _file(*where)) for path, where in _FILES.items()),
            Route("/favicon.ico", _nothing),
            Route("/api/message", message, methods=["POST"]),
            Route("/api/events", event_stream),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(
                Guard,
                token=token,
                origins=[f"http://{host}:{port}" for host in hosts],
                guarded="/api/",
            ),
        ],
        lifespan=lifespan,
    )


def _file(package: str, name: str, kind: str) -> Any:
    """A handler that sends one of the page's own files."""

    async def send(_: Request) -> Response:
        return Response(resources.files(package).joinpath(name).read_bytes(), media_type=kind)

    return send


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)


async def _stream(events: Events) -> AsyncIterator[bytes]:
    """Events as they come, by the format of server-sent events."""
    with events.listening() as queue:
        yield b": hello\n\n"
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), _BEAT)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            except asyncio.CancelledError:  # the program ends
                return
            if event is None:
                return
            yield f"data: {json.dumps(event)}\n\n".encode()
