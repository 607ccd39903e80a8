"""Any registry that could be: contents for Hypothesis, with hostile names, missing fields and the largest numbers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from registry.documents.checking import Check, Choice, Flag, Free, Moment, Real, Text, Whole, Words, free
from registry.documents.columns import BALANCE, GROUP, LONGEST_NAME, MODEL, PROBE, PROFILE, SERVER, TEST, Tags
from registry.documents.content import Content, Fields, ModelId, iso
from registry.naming import is_tag

# few letters, so that names meet; what is special to ids, files and spreadsheets; astral and right-to-left signs
SIGNS = "ab/@~ =+-'\";,\n\\\u00e4\u05d0\u200b\u2028\U0001f600\U00020000"
URLS = ("http://one:1234", "http://two:1234/x", "https://three")

times = st.datetimes().map(iso)
text_of_any = st.one_of(
    st.text(SIGNS, max_size=6), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
)
keys = st.one_of(st.sampled_from(["a", "b", "one/a", "two/a@b", "a@b"]), text_of_any.filter(bool))
variants = st.sampled_from(["", "b", "q4/@"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-(10**6), 10**6).map(float)
    | text_of_any,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text_of_any, inner, max_size=3),
    max_leaves=6,
)


def values(check: Check, *, told: bool = False) -> st.SearchStrategy[Any]:
    """What a field can hold; `told`: never unknown."""
    match check:
        case Text(limit=limit):
            return text_of_any.map(lambda text: text[:limit]).filter(lambda text: bool(text) or not told)
        case Whole(least=least, most=most, default=default):
            some = st.one_of(st.integers(least, most), st.just(most), st.just(least))
            return some if told or default is not None else st.none() | some
        case Real(least=least, default=default):
            some_real = numbers.map(abs)
            return some_real if default is not None else st.none() | some_real
        case Flag(default=default):
            return st.booleans() if default is not None else st.none() | st.booleans()
        case Choice(options=options, default=default):
            return st.sampled_from([*options, default])
        case Moment():
            return times if told else st.none() | times
        case Tags():
            return st.lists(text_of_any.filter(is_tag), unique=True, max_size=3).map(sorted)
        case Words(ordered=ordered, options=options):
            words = st.sampled_from(options) if options else text_of_any.filter(bool)
            return st.lists(words, unique=True, max_size=3).map(list if ordered else sorted)
        case Free(type=kind):
            return st.dictionaries(text_of_any, json_values, max_size=2) if kind is dict else json_values


def objects(checks: Any, *, whole: bool = False, told: tuple[str, ...] = ()) -> st.SearchStrategy[Fields]:
    """One object: every field may be missing, unless it is `whole`; those `told` are never unknown."""
    fields = {name: values(check, told=name in TOLD or name in told) for name, check in checks.items()}
    return st.fixed_dictionaries(fields) if whole else st.fixed_dictionaries({}, optional=fields)


TOLD = ("name", "source", "added", "created", "updated", "started", "order", "requested")
balances = objects(BALANCE, told=tuple(BALANCE)).map(
    lambda balance: {name: free(value) for name, value in balance.items() if value not in (None, "")}
)
probes = st.lists(objects(PROBE, whole=True), max_size=2, unique_by=lambda probe: probe["order"])
tests = st.builds(lambda test, tried: {**test, "probes": tried}, objects(TEST, whole=True), probes)
test_lists = st.lists(tests, max_size=2, unique_by=lambda test: test["created"])
# by whether every field is told
MODELS, SERVERS, GROUPS, PROFILES = (
    {whole: objects(checks, whole=whole) for whole in (True, False)} for checks in (MODEL, SERVER, GROUP, PROFILE)
)
names_of_servers = st.lists(keys.map(lambda name: name[:LONGEST_NAME]), min_size=3, max_size=3, unique=True)
free_objects = st.dictionaries(text_of_any, json_values, max_size=2)


@st.composite
def models(draw: st.DrawFn, *, whole: bool, with_tests: bool) -> Fields:
    fields: Fields = draw(MODELS[whole])
    if whole or draw(st.booleans()):
        fields["opening_balance"] = draw(balances)
    if with_tests and (whole or draw(st.booleans())):
        fields["tests"] = draw(test_lists)
    return fields


@st.composite
def contents(draw: st.DrawFn, *, whole: bool = False, with_tests: bool = True) -> Content:
    """A content; `whole`: every field of every object is told, as those are that come from the tables."""
    servers = {
        url: draw(SERVERS[whole]) | {"name": name}
        for url, name in zip(URLS, draw(names_of_servers), strict=True)
        if whole or draw(st.booleans())
    }
    ids = st.builds(ModelId, st.sampled_from(["", *(servers if whole else URLS)]), keys, variants)
    made = draw(st.dictionaries(ids, models(whole=whole, with_tests=with_tests), max_size=4))
    members = st.lists(st.sampled_from(sorted(made)), unique=True, max_size=4) if made else st.just([])
    group = st.builds(lambda told, models: {**told, "models": models}, GROUPS[whole], members)
    return Content(
        servers=servers,
        models=made,
        groups=draw(st.dictionaries(keys, group, max_size=2)),
        profiles=draw(st.dictionaries(keys, PROFILES[whole], max_size=2)),
        registry=draw(text_of_any),
        host=draw(text_of_any),
        last_updated=draw(st.none() | times),
        last_scan=draw(st.none() | times),
        extra=draw(free_objects),
    )
