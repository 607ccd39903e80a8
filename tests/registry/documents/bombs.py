"""Reads each bomb in this process and tells what it cost: name, seconds, growth in bytes, sentence."""

from __future__ import annotations

import gzip
import io
import json
import resource
import sys
import time
import zipfile
from collections.abc import Callable

from registry.documents import reading
from registry.documents.content import Unreadable

ZEROS = 200 * 2**20


def zipped(*files: tuple[str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return output.getvalue()


def streamed_gzip() -> bytes:
    """200 MB of blanks in about 200 KB, made without holding them."""
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb") as stream:
        for _ in range(200):
            stream.write(b" " * 2**20)
    return output.getvalue()


def streamed_zip() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("models.json", "w") as stream:
        for _ in range(200):
            stream.write(b" " * 2**20)
    return output.getvalue()


LAUGHS = "a: &a [x]\n" + "\n".join(f"b{n}: &b{n} [{', '.join(['*a'] * 9)}]" for n in range(9))
MODEL = b'{"models": {"m": {"size_mb": %s}}}'
BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": streamed_gzip,
    "zip": streamed_zip,
    "twice": lambda: gzip.compress(gzip.compress(b"{}")),
    "cut": lambda: gzip.compress(b'{"models": {}}')[:-6],
    "two files": lambda: zipped(("a", b"{}"), ("b", b"{}")),
    "laughs": lambda: LAUGHS.encode(),
    "anchor": lambda: b"models: &x {}\n",
    "tag": lambda: b'models: !!python/object/apply:os.system ["true"]\n',
    "deep json": lambda: b'{"models":' * 100_000,
    "deep list": lambda: b"[" * 100_000,
    "deep yaml": lambda: b"models: " + b"[" * 100_000,
    "deep yaml lines": lambda: b"\n".join(b" " * n + b"- " for n in range(3_000)),
    "NaN": lambda: MODEL % b"NaN",
    "Infinity": lambda: MODEL % b"-Infinity",
    "yaml NaN": lambda: b"models: {m: {size_mb: .nan}}\n",
    "surrogate": lambda: b'{"models": {"m": {"name": "\\ud800"}}}',
    "NUL": lambda: b'{"models": {"m": {"name": "\\u0000"}}}',
    "NUL in a key": lambda: b'{"models": {"\\u0000": {}}}',
    "NUL in yaml": lambda: b'models: {m: {name: "\\0"}}\n',
    "raw NUL": lambda: b"models:\x00\n",
    "digits": lambda: MODEL % (b"9" * 5_000),
    "yaml digits": lambda: b"models: {m: {size_mb: " + b"9" * 5_000 + b"}}\n",
    "csv digits": lambda: b"key,size_bytes\nm," + b"9" * 5_000 + b"\n",
    "same key": lambda: b'{"models": {"m": {}, "m": {}}}',
    "same yaml key": lambda: b"models: {m: {}, m: {}}\n",
    "values": lambda: b'{"models": [' + b"[]," * 3_300_000 + b"1]}",
    "cells": lambda: b"key\nm" + b"," * 9_000_000 + b"\n",
}


def cost(name: str, data: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    try:
        reading.read(data, name=name)
        text = ""
    except Unreadable as error:
        text = str(error)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    sys.stdout.write(json.dumps([name, time.process_time() - began, growth, text]) + "\n")


if __name__ == "__main__":
    made = {name: make() for name, make in BOMBS.items()}
    for name, data in made.items():
        cost(name, data)
