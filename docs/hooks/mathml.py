"""Write formulas as MathML, which browsers draw themselves: no script, no font, no network."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

# As `pymdownx.arithmatex` marks formulas, in one line (\(…\)) and displayed (\[…\]).
_INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.DOTALL)
_DISPLAYED = re.compile(r'<div class="arithmatex">\\\[(.+?)\\\]</div>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace the formulas of a page; called by mkdocs."""
    content = _INLINE.sub(lambda found: convert(html.unescape(found[1])), content)
    return _DISPLAYED.sub(lambda found: _displayed(html.unescape(found[1])), content)


def _displayed(formula: str) -> str:
    return f'<div class="formula">{convert(formula, display="block")}</div>'
