r"""Move things in a photo by hand, on a page in the browser.

    python -m experiments.studio
    python -m experiments.studio --image=photo.jpg
    python -m experiments.studio --model=patch --model=weights/sd14 --folder=out/monday

Prints the address of the page, which holds a secret: whoever has it can use the studio. Everything
is kept in --folder, and is there again when the program is started again. Needs the extra `studio`:
pip install 'mg_jax[studio]'.
"""

import contextlib
import secrets
import threading
import webbrowser
from importlib.util import find_spec
from pathlib import Path

from absl import flags

from experiments import command
from mg_jax import compilation
from mg_jax.models import registry

_NEEDED = ("starlette", "uvicorn")
_SOON = 0.5  # seconds until the server listens, and the browser may ask

_image = flags.DEFINE_string("image", None, "Photo to begin with: a PNG, JPEG or WebP.")
_folder = flags.DEFINE_string("folder", "out/studio", "Where everything is kept; made if missing.")
_model = flags.DEFINE_multi_string(
    "model",
    list(registry.WEIGHTLESS),
    "Models to choose from, as experiments.edit names them; the first is chosen.",
)
_host = flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address to listen at. Any other than 127.0.0.1 lets other machines in, unencrypted.",
)
_port = flags.DEFINE_integer("port", 0, "Port; 0: a free one.", lower_bound=0, upper_bound=65535)
_browser = flags.DEFINE_bool("browser", True, "Open the page in the browser.")


def main() -> None:
    """Serve until Ctrl-C."""
    for name in _NEEDED:
        if find_spec(name) is None:
            raise ValueError(
                f"{name}: not installed; expected it, as by pip install 'mg_jax[studio]'"
            )
    from experiments.studio import serving  # needs starlette and uvicorn, which are optional
    from experiments.studio.events import Events
    from mg_jax.interactive.desk import Desk

    compilation.keep_programs()
    events = Events()
    desk = Desk(Path(_folder.value), events.tell, _model.value)
    with contextlib.closing(desk):
        if _image.value:
            desk.open(_content(Path(_image.value)), _image.value)
        token = secrets.token_urlsafe()
        served = serving.prepare(desk, events, token, _host.value, _port.value, _tell)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            served.server.run(sockets=[served.socket])


def _tell(address: str) -> None:
    """Say where the page is, and open it."""
    print(f"the studio is at {address} (Ctrl-C ends it)", flush=True)
    if _browser.value:
        opening = threading.Timer(_SOON, webbrowser.open, [address])
        opening.daemon = True
        opening.start()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; expected a photo") from error


if __name__ == "__main__":
    command.run(main)
