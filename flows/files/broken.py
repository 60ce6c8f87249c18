"""What decoders raise at broken files, and what an error says in one line."""

import pickle
import struct
import tokenize
import zipfile
import zlib

from PIL import Image

BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    SyntaxError,  # Pillow, at a broken PNG
    RuntimeError,  # of a zip: encrypted, or compressed in an exotic way
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tokenize.TokenError,  # numpy's header is read as Python's literals
    pickle.UnpicklingError,
    Image.DecompressionBombError,
)


def said(error: Exception) -> str:
    """What an error says, in one line: the first of its text, or its kind."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
