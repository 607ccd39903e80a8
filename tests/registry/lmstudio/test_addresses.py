"""How a base URL may be written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.lmstudio import normalize_base_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost", "http://localhost:1234"), ("localhost:4321", "http://localhost:4321"),
        (" http://localhost:1234/ ", "http://localhost:1234"), ("http://localhost:1234/v1", "http://localhost:1234"),
        ("http://localhost:1234/v1///", "http://localhost:1234"), ("http://box:1234/api/v0/", "http://box:1234"),
        ("http://box:1234/api/v1", "http://box:1234"), ("http://box:1234/api/v1/models", "http://box:1234"),
        ("http://box:1234/v1/chat/completions", "http://box:1234"), ("http://box", "http://box"),
        ("http://box:80", "http://box"), ("https://box:443/", "https://box"), ("box:80", "http://box"),
        ("https://box.example/lm/v1", "https://box.example/lm"), ("HTTP://BOX:1234", "http://box:1234"),
        ("192.168.1.5", "http://192.168.1.5:1234"), ("[::1]:5", "http://[::1]:5"), ("::1", None),
        ("[fd12::7]", "http://[fd12::7]:1234"), ("//box", "http://box:1234"), ("http://2130706433", "http://2130706433"),
        ("http://bücher.example:1", "http://xn--bcher-kva.example:1"), ("http://box/v10", "http://box/v10"),
        ("", None), ("   ", None), ("ftp://box", None), ("file:///etc/passwd", None), ("javascript:alert(1)", None),
        ("http://", None), ("http://user:pw@box", None), ("user@box", None), ("http://box?x=1", None),
        ("http://box#x", None), ("http://box:0", None), ("http://box:99999", None), ("http://box:x", None),
        ("http://a b", None), ("http://box\\@evil", None), ("http://box\n", "http://box"), ("http://b\nox", None),
        ("unix:///run/x", None), ("http://box/" + "x" * 600, None), ("http://[::1", None),
    ],
)  # fmt: skip
def test_an_address_is_understood_or_refused(text: str, url: Any) -> None:
    if url is None:
        with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
            normalize_base_url(text)
    else:
        assert normalize_base_url(text) == url


@given(st.text(max_size=40) | st.from_regex(r"(https?://)?[a-z0-9.\[\]:@/?#%\\-]{1,30}", fullmatch=True))
def test_any_text_is_refused_or_reaches_a_fixed_form(text: str) -> None:
    try:
        url = normalize_base_url(text)
    except ValueError:
        return
    assert normalize_base_url(url) == url
