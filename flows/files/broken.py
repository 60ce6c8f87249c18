"""The exceptions that decoders raise for broken files, and an error's message in one line."""

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
    SyntaxError,  # Pillow, for a broken PNG
    RuntimeError,  # zipfile, for an archive that is encrypted or compressed in a rare way
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tokenize.TokenError,  # numpy, which reads an .npy header as Python literals
    pickle.UnpicklingError,
    Image.DecompressionBombError,
)


def said(error: Exception) -> str:
    """An error's message in one line: the first line of its text, or its type if it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
