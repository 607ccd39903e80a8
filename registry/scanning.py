"""Scans servers."""


def enqueue_all(door: str) -> None: ...
