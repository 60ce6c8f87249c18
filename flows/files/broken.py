"""What the decoders of numpy, Pillow, zipfile and PyTorch raise at broken files."""

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
