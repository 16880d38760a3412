"""Filter criteria: what matches, and what happens to the rest."""

from __future__ import annotations

import base64

import pytest
from mapping_driver import Driver, config

from tapstack_emulator.event_source_mapping.filters import check_pattern, passes
from tapstack_emulator.event_source_mapping.payload import Record


def record(data: bytes, key: str = "u1") -> Record:
    return Record(
        sequence_number="1", partition_key=key, data=base64.b64encode(data).decode(), arrival_ms=1_000
    )


@pytest.mark.parametrize(
    ("pattern", "data", "expected"),
    [
        ('{"data":{"type":["view"]}}', b'{"type":"view"}', True),
        ('{"data":{"type":["view","buy"]}}', b'{"type":"buy"}', True),
        ('{"data":{"type":["view"]}}', b'{"type":"buy"}', False),
        ('{"data":{"type":["view"]}}', b"{}", False),
        ('{"data":{"a":[1]}}', b'{"a":1}', True),
        ('{"data":{"a":[1]}}', b'{"a":true}', False),
        ('{"data":{"a":[null]}}', b'{"a":null}', True),
        ('{"data":{"a":[""]}}', b'{"a":""}', True),
        ('{"data":{"a":{"b":["x"]}}}', b'{"a":{"b":"x"}}', True),
        ('{"data":{"a":{"b":["x"]}}}', b'{"a":"x"}', False),
        ('{"data":{"tags":["x"]}}', b'{"tags":["y","x"]}', True),
        ('{"data":{"type":[{"prefix":"vi"}]}}', b'{"type":"view"}', True),
        ('{"data":{"type":[{"prefix":"vi"}]}}', b'{"type":"buy"}', False),
        ('{"data":{"type":[{"suffix":"ew"}]}}', b'{"type":"view"}', True),
        ('{"data":{"type":[{"anything-but":["view"]}]}}', b'{"type":"buy"}', True),
        ('{"data":{"type":[{"anything-but":["view"]}]}}', b'{"type":"view"}', False),
        ('{"data":{"type":[{"exists":true}]}}', b'{"type":"view"}', True),
        ('{"data":{"type":[{"exists":true}]}}', b"{}", False),
        ('{"data":{"type":[{"exists":false}]}}', b"{}", True),
        ('{"data":{"n":[{"numeric":["=",1]}]}}', b'{"n":1.0}', True),
        ('{"data":{"n":[{"numeric":[">",0,"<=",5]}]}}', b'{"n":5}', True),
        ('{"data":{"n":[{"numeric":[">",0,"<=",5]}]}}', b'{"n":5.1}', False),
        ('{"data":{"n":[{"numeric":[">",0]}]}}', b'{"n":"1"}', False),
        ('{"data":{"a":[1],"b":[2]}}', b'{"a":1}', False),
        ('{"partitionKey":["u1"]}', b"not JSON", True),
        ('{"partitionKey":["u2"]}', b"{}", False),
        ('{"data":{"type":["view"]}}', b"not JSON", False),
        ('{"data":{"type":[{"exists":false}]}}', b"not JSON", False),
        ('{"data":{"type":[{"exists":false}]}}', b'"text"', False),
    ],
)
def test_a_pattern_matches(pattern: str, data: bytes, expected: bool) -> None:
    check_pattern(pattern)
    assert passes((pattern,), record(data)) is expected


def test_a_record_passes_if_any_pattern_matches() -> None:
    patterns = ('{"data":{"a":[1]}}', '{"data":{"a":[2]}}')
    assert passes(patterns, record(b'{"a":2}'))
    assert passes((), record(b"anything"))


@pytest.mark.parametrize(
    "pattern", ["nonsense", "[]", '{"data":"x"}', '{"data":{"a":[]}}', '{"data":{"a":[{"like":"x"}]}}']
)
def test_a_pattern_that_aws_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="FilterCriteria"):
        Driver(config(filter_patterns=(pattern,)))


def test_a_filtered_record_is_processed_without_the_function() -> None:
    driver = Driver(config(filter_patterns=('{"data":{"type":["buy"]}}',)))
    wanted = driver.put(data=b'{"type":"buy"}')
    driver.put(data=b'{"type":"view"}')
    last = driver.put(data=b"not JSON")
    driver.run()
    assert driver.invocations() == [[wanted]]
    assert driver.checkpoint() == last
    assert driver.metric("FilteredOutEventCount") == 2
