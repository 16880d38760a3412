"""A file is read, or all that is wrong with it is said, with lines and members."""

from __future__ import annotations

import os
from typing import Any

import pytest
from attribute_files import attributes, file_of, toml
from hypothesis import given, settings
from hypothesis import strategies as st

from tapstack.core.attributes.definitions import Definitions, decode_definitions, encode_definitions
from tapstack.core.attributes.faults import InvalidDefinitions
from tapstack.core.attributes.prediction import ROW_BYTES_MAX, predicted
from tapstack.core.attributes.reading import FILE_CHARS_MAX, read_definitions

# `TAPSTACK_ATTRIBUTE_FILES=10000` reads as many as the requirement says: some two minutes of CPU.
FILES = int(os.environ.get("TAPSTACK_ATTRIBUTE_FILES", "100"))

VIEW = """\
version = 1
[[feature_view]]
name = "stats"
entity = "user"
"""
GOOD = (
    VIEW
    + """\
[[feature_view.attribute]]
name = "views"
aggregation = "counter"
"""
)


def faults_of(text: str) -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        read_definitions(text)
    return [str(fault) for fault in caught.value.faults]


_json = st.recursive(
    st.one_of(
        st.none().map(lambda _: 0),
        st.booleans(),
        st.integers(-5, 10**20),
        st.floats(allow_nan=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc_é", max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def _odd_documents(draw: st.DrawFn) -> str:
    """A right file of which some members are missing, other ones, or of another kind."""
    said: dict[str, Any] = {
        "version": 1,
        "feature_view": [
            {
                "name": f"v{place}",
                "entity": draw(st.sampled_from(["user", "session", "item"])),
                "attribute": draw(st.lists(attributes(), min_size=1, max_size=3)),
            }
            for place in range(draw(st.integers(1, 2)))
        ],
        "feature_service": [
            {
                "name": "s",
                "features": draw(st.lists(st.sampled_from(["v0:x_1h", "v1:x_lifetime"]), max_size=2)),
            }
        ],
    }
    for _ in range(draw(st.integers(0, 3))):
        table = draw(st.sampled_from(_tables(said)))
        key = draw(st.sampled_from([*table, "unknown"]))
        if draw(st.booleans()):
            table.pop(key, None)
        else:
            table[key] = draw(_json)
    return toml(said)


def _tables(said: Any) -> list[dict[str, Any]]:
    found = [said] if isinstance(said, dict) else []
    for value in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        found += _tables(value)
    return found


@st.composite
def _odd_texts(draw: st.DrawFn) -> str:
    text = draw(_odd_documents())
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(max_size=3)) + text[place + draw(st.integers(0, 9)) :]
    return text


@settings(max_examples=FILES)
@given(st.one_of(_odd_documents(), _odd_texts(), st.text(max_size=60)))
def test_any_text_is_read_or_told_what_is_wrong(text):
    read = outcome_of(text)
    if isinstance(read, InvalidDefinitions):
        assert read.faults
        for fault in read.faults:
            assert 1 <= fault.line <= text.count("\n") + 1
            assert any(
                word in fault.detail for word in ("expected", "required", "takes none", "unknown member")
            )
            assert len(fault.detail) < 700
    else:
        assert decode_definitions(encode_definitions(read)) == read
        assert predicted(read).size.most <= ROW_BYTES_MAX


def outcome_of(text: str) -> Definitions | InvalidDefinitions:
    try:
        return read_definitions(text)
    except InvalidDefinitions as error:
        return error


@given(attributes())
def test_right_attributes_are_read(attribute):
    definitions = read_definitions(file_of(attribute))
    assert len(definitions.features) == 2 * len(definitions.feature_view[0].attribute[0].windows)


def test_all_that_is_wrong_is_said_with_its_line_and_member():
    text = """\
version = 2
[[feature_view]]
name = "User stats"
entity = "page"
  [[feature_view.attribute]]
  name = "views"
  aggregation = "counter"
  windows = ["1h", "2w"]
  [[feature_view.attribute]]
  name = "spend"
  aggregation = "sum"
  property = "items.category"
  colour = "red"
[[feature_view]]
entity = "user"
"""
    found = faults_of(text)
    assert [fault.split(": ")[:2] for fault in found] == [
        ["line 1", "version"],
        ["line 3", "feature_view[0].name"],
        ["line 4", "feature_view[0].entity"],
        ["line 8", "feature_view[0].attribute[0].windows"],
        ["line 13", "feature_view[0].attribute[1].colour"],
        ["line 14", "feature_view[1]"],
        ["line 14", "feature_view[1]"],
    ]
    assert found[2].endswith("expected one of user, session, item, category, got 'page'")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('aggregation = "sum"', "line 5: feature_view[0].attribute[0]: property is required by sum"),
        (
            'aggregation = "mean"\nproperty = "query"',
            "line 8: feature_view[0].attribute[0].property: expected a number for mean, got the text query",
        ),
        (
            'aggregation = "counter"\nproperty = "value"',
            "line 8: feature_view[0].attribute[0].property: counter takes none; use a filter",
        ),
        (
            'aggregation = "counter"\nwindows = ["36h"]',
            (
                "line 8: feature_view[0].attribute[0].windows: expected a multiple of its "
                "hop of 86400 s, got "
                "'36h'; hop sets another"
            ),
        ),
        (
            'aggregation = "counter"\nwindows = ["90d"]\nhop = "1h"',
            "line 9: feature_view[0].attribute[0].hop: expected at most 120 tiles a window, got 2160 of 90d",
        ),
        (
            'aggregation = "approx_count_distinct"\nproperty = "items.item_id"\nwindows = ["1h"]',
            (
                "line 9: feature_view[0].attribute[0].windows: approx_count_distinct has the lifetime "
                "alone; unique_list counts up to its limit in windows"
            ),
        ),
        (
            'aggregation = "last"\nproperty = "value"\nlimit = 3',
            (
                "line 9: feature_view[0].attribute[0].limit: last takes none; expected one of "
                "category_count, most_frequent, unique_list"
            ),
        ),
        (
            'aggregation = "counter"\nhop = "1h"',
            (
                "line 8: feature_view[0].attribute[0].hop: expected a window that it divides; "
                "the lifetime has no tiles"
            ),
        ),
        (
            'aggregation = "counter"\nproperty = "colour"',
            (
                "line 8: feature_view[0].attribute[0].property: expected one of event_type, event_name, "
                "query, currency, recommendation_id, attribution_source, value, items.item_id, items.name, "
                "items.category, items.brand, items.variant, items.list_id, items.currency, items.price, "
                "items.quantity, items.position, or properties.NAME, context.NAME, traits.NAME, "
                "got 'colour'"
            ),
        ),
        (
            'aggregation = "sum"\nproperty = "value"\ndefault = "none"',
            "line 9: feature_view[0].attribute[0].default: expected a number for sum, got 'none'",
        ),
        (
            'aggregation = "counter"\nfilter = { property = "value", operator = ">", value = "9" }',
            "line 8: feature_view[0].attribute[0].filter.value: expected a number for value >, got '9'",
        ),
        (
            'aggregation = "counter"\ndefault = 1',
            (
                "line 8: feature_view[0].attribute[0].default: counter takes none: it has a value where "
                "nothing counted, or none"
            ),
        ),
        (
            'aggregation = "counter"\nfilter = { property = "value", operator = "starts with", value = "a" }',
            (
                "line 8: feature_view[0].attribute[0].filter.operator: expected a text to start with, "
                "value is a number"
            ),
        ),
        (
            'aggregation = "counter"\nfilter = { property = "query", operator = "in", value = [["a"]] }',
            "line 8: feature_view[0].attribute[0].filter.value: expected a text for query in, got [['a']]",
        ),
        (
            'aggregation = "counter"\nfilter = { property = "properties.size", operator = "=", value = [1] }',
            (
                "line 8: feature_view[0].attribute[0].filter.value: expected a text, a number or a boolean "
                "for properties.size =, got [1]"
            ),
        ),
        (
            'aggregation = "counter"\n[[feature_view.attribute]]\nname = "x"\naggregation = "counter"',
            "line 9: feature_view[0].attribute[1].name: expected each name once, got x again",
        ),
        (
            'aggregation = "counter"\nfilter = { all = [], any = [] }',
            (
                "line 8: feature_view[0].attribute[0].filter: expected { all = [...] }, "
                "{ any = [...] } or { property = ..., operator = ..., value = ... }, got "
                "{'all': [], 'any': []}"
            ),
        ),
        (
            'aggregation = "category_count"\nproperty = "items.category"\nlimit = 100\nwindows = ["7d"]',
            (
                "line 2: feature_view[0]: expected 2048 bytes a row "
                "usually, got 10504: fewer windows, a longer hop, or smaller limit and bytes_max make it less"
            ),
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(lines, message):
    text = VIEW + f'[[feature_view.attribute]]\nname = "x"\n{lines}\n'
    assert message in faults_of(text)


def test_names_are_unique_and_services_name_features():
    twice = GOOD.replace("version = 1\n", "")
    service = '[[feature_service]]\nname = "home"\nfeatures = ["stats:views_lifetime", "stats:views_1h"]\n'
    assert faults_of(GOOD + twice) == [
        "line 9: feature_view[1].name: expected each name and version once, got stats@1 again"
    ]
    assert faults_of(GOOD + service) == [
        "line 10: feature_service[0].features: expected features of the file, got 'stats:views_1h'"
    ]


def test_services_have_names_of_their_own_and_are_told_where_they_are_wrong():
    service = '[[feature_service]]\nname = "home"\nfeatures = ["stats:views_lifetime"]\n'
    assert faults_of(GOOD + 2 * service) == [
        "line 12: feature_service[1].name: expected each name once, got home again"
    ]
    assert faults_of(GOOD + service.replace('name = "home"\n', "")) == [
        "line 8: feature_service[0]: name is required"
    ]


def test_a_file_that_is_too_long_is_refused_at_its_first_line():
    (fault,) = faults_of(GOOD + "#" * FILE_CHARS_MAX)
    assert fault.startswith(f"line 1: expected at most {FILE_CHARS_MAX} characters, got ")


def test_a_name_without_a_version_means_the_newest():
    second = GOOD.replace("version = 1\n", "").replace('name = "stats"', 'name = "stats"\nversion = 2')
    features = read_definitions(GOOD + second).features
    assert features["stats:views_lifetime"].view.version == 2
    assert features["stats@1:views_lifetime"].view.version == 1


def test_broken_toml_names_the_line():
    assert faults_of(GOOD + "name = \n") == ["line 8: expected TOML: Invalid value"]


@pytest.mark.parametrize("entity", ["user", "session"])
def test_64_attributes_are_the_most(entity):
    rows = [{"name": f"x{place}", "aggregation": "counter"} for place in range(65)]
    assert read_definitions(file_of(*rows[:64], entity=entity))
    views = [{"name": f"v{place}", "entity": entity, "attribute": rows[:33]} for place in range(2)]
    assert any(
        "at most 64 attributes, got 66" in fault
        for fault in faults_of(toml({"version": 1, "feature_view": views}))
    )
