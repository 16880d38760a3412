"""What ministack does otherwise than AWS, test by test, with the reason."""

from __future__ import annotations

_RESHARDING_DELETES = "deletes the parent and its records when shards are split, merged or scaled"
_UNCHECKED = "does not check it"
_SPLIT = "answers ValidationException, or checks only against the shard's ends"

# Version 1.5.33, measured on 2026-11-23.
MINISTACK_DIFFERS: dict[str, str] = {
    # DynamoDB
    "test_a_condition_that_is_wrong_is_refused[value-undefined]": "names the unused value first",
    "test_a_batch_get_leaves_what_exceeds_16_mib_for_later": "answers any number of bytes",
    "test_a_query_between_bounds_that_are_none_is_refused[types]": _UNCHECKED,
    # Kinesis
    "test_sequence_numbers_have_56_digits": "gives 30 digits with zeros in front",
    "test_one_entry_that_is_wrong_refuses_the_whole_request[empty-key]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[null-key]": "answers InternalError",
    "test_one_entry_that_is_wrong_refuses_the_whole_request[no-key]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[no-data]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[hash-key-large]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[hash-key-word]": "answers InternalError",
    "test_no_records_at_all_are_refused": _UNCHECKED,
    "test_a_read_takes_1_to_10000_records[0]": _UNCHECKED,
    "test_a_read_takes_1_to_10000_records[10001]": _UNCHECKED,
    "test_an_iterator_nobody_gave_is_refused": "takes every unknown iterator for an expired one",
    "test_an_iterator_asked_for_wrongly_is_refused[no-number]": _UNCHECKED,
    "test_an_iterator_asked_for_wrongly_is_refused[number-too-many]": _UNCHECKED,
    "test_an_iterator_asked_for_wrongly_is_refused[no-digits]": _UNCHECKED,
    "test_a_timestamp_in_the_future_is_refused": _UNCHECKED,
    "test_a_split_keeps_the_parent_and_its_records": _RESHARDING_DELETES,
    "test_a_closed_shard_ends_with_its_children": _RESHARDING_DELETES,
    "test_records_after_a_split_go_to_the_children": _RESHARDING_DELETES,
    "test_update_shard_count_scales_out_and_in_and_keeps_every_record": _RESHARDING_DELETES,
    "test_update_shard_count_at_most_doubles": _UNCHECKED,
    "test_a_split_outside_the_shard_is_refused[start]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[start+1]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[end]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[end+1]": _SPLIT,
    "test_pages_of_list_shards_hold_each_shard_once": "needs the stream's name beside NextToken",
    "test_a_filter_at_latest_lists_open_shards_only": "ignores AFTER_SHARD_ID",
    "test_retention_can_be_increased_but_not_below_what_it_is": "answers ValidationException",
    "test_retention_is_24_to_8760_hours": "answers ValidationException",
    "test_a_record_may_have_1_mib_with_its_key_and_not_a_byte_more": "counts the data alone",
    "test_a_stream_without_a_number_of_shards_has_four_on_demand": "makes it provisioned, of one shard",
    "test_pages_of_list_streams_hold_each_stream_once": "says that there is more, and answers the same again",
    "test_shards_are_merged_in_their_order_only": _UNCHECKED,
    "test_an_iterator_may_be_in_quotes": "takes every unknown iterator for an expired one",
    "test_an_order_after_a_record_that_was_never_put_is_refused": _UNCHECKED,
}
