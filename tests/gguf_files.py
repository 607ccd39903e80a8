"""Builds small GGUF headers for tests."""

import struct

UINT32, FLOAT, BOOL, TEXT, ARRAY = 4, 6, 7, 8, 9


def text(value: str) -> bytes:
    """A string as GGUF writes it."""
    return struct.pack("<Q", len(value)) + value.encode()


def pair(name: str, kind: int, value: bytes) -> bytes:
    """One metadata pair."""
    return text(name) + struct.pack("<I", kind) + value


def gguf(*pairs: bytes, tensors: bytes = b"", tensor_count: int = 0) -> bytes:
    """A whole header."""
    return b"GGUF" + struct.pack("<IQQ", 3, tensor_count, len(pairs)) + b"".join(pairs) + tensors
