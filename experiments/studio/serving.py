"""Serve the studio on a socket of this machine."""

import logging
import socket
from collections.abc import Callable
from typing import NamedTuple

import uvicorn

from experiments.studio.app import build
from experiments.studio.events import Events
from mg_jax.interactive.desk import Desk

_LOCAL = ("127.0.0.1", "localhost")
_EVERYWHERE = ("", "0.0.0.0", "::")  # would answer to no name, as hosts are checked
_LET_GO = "timeout graceful shutdown exceeded"
_GRACE = 1  # seconds that open pages have when the program ends


class Served(NamedTuple):
    """A server, not running yet: call `server.run(sockets=[socket])`."""

    server: uvicorn.Server
    socket: socket.socket
    address: str  # of the page, with its secret


def prepare(
    desk: Desk,
    events: Events,
    token: str,
    host: str = "127.0.0.1",
    port: int = 0,
    started: Callable[[str], None] = lambda _: None,
) -> Served:
    """Prepare to serve a desk.

    Args:
        desk: answers messages.
        events: what it tells.
        token: a secret of whoever may use it, as text.
        host: address to listen at.
        port: 0 for a free one.
        started: called with the address of the page, when it is about to be served.

    Raises:
        ValueError: the address cannot be listened at.
    """
    if host in _EVERYWHERE:
        raise ValueError(f"--host: {host!r}; expected the one address by which the page is reached")
    try:
        listens = socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f"--host, --port: {host}:{port} cannot be listened at ({error.strerror});"
            " expected a free port of this machine"
        ) from error
    port = listens.getsockname()[1]
    hosts = _LOCAL if host in _LOCAL else (host,)
    address = f"http://{hosts[0]}:{port}/#{token}"
    app = build(desk, events, token, hosts, port, lambda: started(address))
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        ws="none",
        h11_max_incomplete_event_size=1 << 16,
    )
    # Pages that are open when the program ends are let go, which is no error.
    logging.getLogger("uvicorn.error").addFilter(lambda record: _LET_GO not in record.getMessage())
    return Served(uvicorn.Server(config), listens, address)
