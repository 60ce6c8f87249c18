"""Refuse pages that load anything from elsewhere, and links that are broken by their form."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_HARMLESS = ("canonical", "prev", "next", "alternate")  # relations of <link> that load nothing


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Check a page; called by mkdocs.

    Raises:
        ValueError: it is not self-contained, or a link is broken by its form.
    """
    parser = _Links()
    parser.feed(output)
    if parser.faults:
        raise ValueError(f"{page.file.src_path}: {'; '.join(parser.faults)}")
    return output


class _Links(HTMLParser):
    """Collects the faults of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at what the tag loads or leads to."""
        values = dict(attrs)
        loaded = values.get(_LOADED.get(tag, ""))
        if loaded and urlsplit(loaded).netloc and values.get("rel") not in _HARMLESS:
            self.faults.append(f"loads {loaded}; expected nothing from elsewhere")
        link = urlsplit(values.get("href") or "") if tag == "a" else None
        if link and link.scheme in ("http", "https") and "." not in link.netloc:
            self.faults.append(f"leads to {link.geturl()}; expected a host")
