"""Serve the studio on a socket of this machine."""

import socket
from typing import NamedTuple

import uvicorn

from experiments.studio.app import build
from experiments.studio.events import Events
from mg_jax.interactive.desk import Desk

_LOCAL = ("127.0.0.1", "localhost")
_GRACE = 1  # seconds that open pages have when the program ends


class Served(NamedTuple):
    """A server, not running yet: call `server.run(sockets=[socket])`."""

    server: uvicorn.Server
    socket: socket.socket
    address: str  # of the page, with its secret


def prepare(
    desk: Desk, events: Events, token: str, host: str = "127.0.0.1", port: int = 0
) -> Served:
    """Prepare to serve a desk.

    Args:
        desk: answers messages.
        events: what it tells.
        token: a secret of whoever may use it, as text.
        host: address to listen at.
        port: 0 for a free one.

    Raises:
        ValueError: the address cannot be listened at.
    """
    try:
        listens = socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f"--host, --port: {host}:{port} cannot be listened at ({error.strerror});"
            " expected a free port of this machine"
        ) from error
    port = listens.getsockname()[1]
    hosts = _LOCAL if host in _LOCAL else (host,)
    app = build(desk, events, token, hosts, port)
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        ws="none",
        h11_max_incomplete_event_size=1 << 16,
    )
    return Served(uvicorn.Server(config), listens, f"http://{hosts[0]}:{port}/#{token}")
