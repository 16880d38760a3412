"""Times of recordings: ways of writing them, one unit a column, visits that do not move each other."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import NOW_MS, events_of, gaps_ms, items, ms, read

from tapstack.collector.bodies import EVENTS_MAX
from tapstack.errors import UsageError
from tapstack_local.recording.replay import (
    REQUEST_BYTES_MAX,
    REQUEST_EVENTS_MAX,
    TOGETHER_MS,
    VISIT_MAX_MS,
    WITHIN_MS,
)
from tapstack_local.recording.times import EXPECTED, moment_ms

DAY_MS = 86_400_000
START = datetime(2024, 3, 1, tzinfo=UTC)


def iso(at_ms):
    return (START + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05T10:00:00.250Z",
        "2024-01-05t10:00:00.250z",
        "2024-01-05 10:00:00.25",
        "2024-01-05 10:00:00,250",
        "2024-01-05 10:00:00.250 UTC",
        "2024-01-05 10:00:00.250999999 GMT",
        "2024/01/05 10:00:00.250",
        "2024.1.5 10:00:00.250",
        "2024-1-5 10:00:00.250",
        "2024-01-05T12:00:00.250+02:00",
        "2024-01-05 12:00:00.250 +0200",
        "2024-01-05 12:00:00.250+02",
        "2024-01-05T05:30:00.250-04:30",
        "2024-01-05 11:00:00.250 Europe/Berlin",
        "2024-01-05T11:00:00.250+01:00[Europe/Berlin]",
        "2024-01-05 05:00:00.250 America/New_York",
        "2024-01-06 00:00:00.250 +14:00",
    ],
)
def test_a_time_is_read_however_it_is_written(text):
    assert moment_ms(text) == 1_704_448_800_250


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2024-01-05", 1_704_412_800_000),
        ("2024-01-05 10:00", 1_704_448_800_000),
        ("20240105T100000Z", 1_704_448_800_000),
        ("20240105T1000+0100", 1_704_445_200_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
    ],
)
def test_parts_of_a_time_may_be_left_out(text, at_ms):
    assert moment_ms(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "2024-13-01", "2024-02-30", "2024-01-05 25:00", "2024-01-05 10:00 CET", "2024-01-05 10:00 Mars/Base",
        "2024-01-05 10:00 ../etc", "2024-01-05T10:00:00+25:00", "2024-01", "0000-01-01", "20240105", "soon",
        "", "Fri, 05 Jan 2024 10:00:00 GMT", "2024-01-05 10:00 PM",
    ],
)  # fmt: skip
def test_what_is_no_time_is_not_guessed(text):
    assert moment_ms(text) is None


UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


@pytest.mark.parametrize("per_second", UNITS.values(), ids=UNITS)
@given(
    st.lists(
        st.integers(0, 27 * 86_400), min_size=1, max_size=20
    ),  # seconds after the first, within the longest visit
    st.integers(500_000_000, 3_000_000_000),
)
def test_the_unit_of_a_column_is_that_of_its_numbers(per_second, after_s, start_s):
    times = [start_s, *(start_s + second for second in after_s)]
    recording = read(
        "user_id,session_id,item_id,ts\n" + "".join(f"u,s,i,{time * per_second}\n" for time in times)
    )
    assert gaps_ms(recording) == [second * 1_000 for second in sorted([0, *after_s])]


def test_numbers_of_a_clock_may_have_fractions_and_are_exact_without():
    def replayed(*times):
        rows = "".join(f"u,s,{place},{time}\n" for place, time in enumerate(times))
        return gaps_ms(read("user,session,item,timestamp\n" + rows))

    assert replayed("1709251200.000", "1709251200.250") == [0, 250]
    assert replayed("1.7092512e9", "1709251201") == [0, 1_000]
    assert replayed("1709251200000000001", "1709251200000999999", "1709251200001000000") == [0, 0, 1]


@pytest.mark.parametrize(
    "dates",
    [
        pytest.param(["20240105", "20240106"], id="days"),
        pytest.param(["2024010510", "2024010511"], id="hours"),
        pytest.param(["202101312345", "202102010015"], id="minutes"),
        pytest.param(["20210131234500", "20210201001500"], id="seconds"),
        pytest.param(["20210131234500123", "20210201001500123"], id="milliseconds"),
        pytest.param(["20240105", "17", "20240106"], id="most of them"),
    ],
)
def test_a_column_of_dates_in_digits_is_not_guessed(dates):
    rows = "".join(f"u,i,{date}\n" for date in dates)
    with pytest.raises(UsageError) as caught:
        read("user_id,item_id,timestamp\n" + rows, skip_bad_rows=True)
    assert str(caught.value) == (
        f"standard input: line 2, column 'timestamp': expected {EXPECTED}; "
        f"got '{dates[0]}', which may be a date"
    )


def test_a_clock_that_happens_to_show_a_date_is_a_clock():
    rows = "".join(f"u,s,i,{time}\n" for time in (20_240_100, 20_240_105, 20_240_199, 20_240_200))
    assert gaps_ms(read("user,session,item,timestamp\n" + rows)) == [0, 5_000, 99_000, 100_000]


def test_a_day_in_digits_is_a_day_in_a_column_of_days():
    rows = "user,session,item,event_date\nu,s,a,20240105\nu,s,b,20240106\nu,s,c,2024-01-07 06:00\n"
    assert gaps_ms(read(rows)) == [0, DAY_MS, 2 * DAY_MS + 6 * 3_600_000]


SESSIONS = st.lists(
    st.tuples(
        st.integers(0, 30 * DAY_MS),  # begins
        st.lists(st.integers(0, DAY_MS), min_size=1, max_size=4),  # its rows, after its beginning
    ),
    min_size=2,
    max_size=8,
    unique_by=lambda session: session[0] + min(session[1]),  # the order of the others is in their times
)
ODD = [
    "0000-00-00 00:00:00",
    "1970-01-01T01:30:27Z",
    "0001-01-01T00:00:00Z",
    "2038-01-19T03:14:07Z",
    "9999-12-31T23:59:59Z",
    "",
    "NULL",
]


@given(SESSIONS, st.sampled_from(ODD), st.data())
def test_one_odd_time_moves_no_other_event(sessions, odd, data):
    rows = [
        f"u{number},s{number},i{number}-{place},{iso(begin + after)}\n"
        for number, (begin, offsets) in enumerate(sessions)
        for place, after in enumerate(offsets)
    ]
    whose = data.draw(st.integers(0, len(sessions) - 1))
    at = data.draw(st.integers(0, len(rows)))
    head = "user_id,session_id,item_id,event_time\n"
    plain = read(head + "".join(rows))
    spoiled = read(head + "".join([*rows[:at], f"u{whose},s{whose},odd,{odd}\n", *rows[at:]]))

    def times(recording):
        return {event["items"][0]["item_id"]: event["occurred_at"] for event in events_of(recording)}

    moved = times(spoiled)
    when = moved.pop("odd")
    assert moved == times(plain)
    # The row itself happens within its visit.
    own = [time for item, time in moved.items() if item.startswith(f"i{whose}-")]
    assert min(own) <= when <= max(own)
    assert len(spoiled.notes) == 1
    assert f"line {at + 2}" in spoiled.notes[0]


def test_odd_times_are_told_with_the_first_line():
    rows = (
        "u,s,a,2024-03-01\nu,s,b,1970-01-01 01:30:27\nu,s,c,2024-03-01\nu,s,d,1971-05-01\nu,s,e,2024-03-02\n"
    )
    [note] = read("user,session,item,timestamp\n" + rows).notes
    assert note == (
        "2 of 5 rows are more than a year away from most others (first: line 3, 1970-01-01T01:30:27Z): "
        "they happen with the row before them"
    )


def test_a_recording_of_decades_has_no_odd_times():
    rows = "".join(f"u{year},i,{year}-06-01\n" for year in range(1995, 2024))
    assert read("user,item,timestamp\n" + rows).notes == ()


def test_a_number_of_another_unit_is_odd_and_not_a_time_of_its_own():
    rows = "u1,a,1700000000\nu2,a,1700000001\nu1,b,1700000002000\n"
    recording = read("user_id,item_id,timestamp\n" + rows)
    assert gaps_ms(recording)[:2] == [0, 0]
    assert "line 4, after the year 9999" in recording.notes[0]


def test_a_session_of_two_users_is_two_visits():
    rows = [
        f"u{user},1,i{user}{k},{iso(user * 20 * DAY_MS + k * 60_000)}\n" for user in (0, 1) for k in (0, 1)
    ]
    events = events_of(read("user_id,session_id,item_id,timestamp\n" + "".join(rows)))
    assert all(NOW_MS - WITHIN_MS <= ms(event) <= NOW_MS for event in events)
    for user in ("u0", "u1"):
        first, second = (ms(event) for event in events if event["user_id"] == user)
        assert second - first == 60_000


def test_a_visitor_who_logs_in_during_a_session_stays_in_one_visit():
    rows = f"v1,,s,a,{iso(0)}\nv1,u1,s,b,{iso(60_000)}\nv1,u1,s,c,{iso(120_000)}\nv2,,t,d,{iso(3_600_000)}\n"
    recording = read("anonymous_id,user_id,session_id,item_id,timestamp\n" + rows)
    assert gaps_ms(recording)[:3] == [0, 60_000, 120_000]


def test_a_visit_of_weeks_keeps_its_timing_and_leaves_the_others_where_they_are():
    others = "".join(f"u{k},s{k},i{k},{iso(k * 3_600_000)}\n" for k in range(50))
    long = "".join(f"w,weeks,w{week},{iso(week * 7 * DAY_MS)}\n" for week in range(4))
    head = "user_id,session_id,item_id,timestamp\n"
    events = {event["items"][0]["item_id"]: ms(event) for event in events_of(read(head + others + long))}
    assert [events[f"w{week}"] - events["w0"] for week in range(4)] == [
        week * 7 * DAY_MS for week in range(4)
    ]
    assert len({events[f"i{k}"] for k in range(50)}) == 50
    assert all(NOW_MS - WITHIN_MS <= events[f"i{k}"] <= NOW_MS for k in range(50))
    assert max(events.values()) <= NOW_MS


def test_a_visit_longer_than_events_are_counted_is_drawn_together_and_told():
    rows = f"u,s,a,{iso(0)}\nu,s,b,{iso(50 * DAY_MS)}\nu,s,c,{iso(200 * DAY_MS)}\n"
    recording = read("user_id,session_id,item_id,timestamp\n" + rows)
    assert gaps_ms(recording) == [0, VISIT_MAX_MS // 4, VISIT_MAX_MS]
    assert ms(events_of(recording)[-1]) <= NOW_MS
    assert recording.notes == ("1 of 1 visits last longer than 28 days: drawn together to that",)


def test_rows_without_a_time_happen_with_the_row_before_them():
    rows = f"u,s,a,\nu,s,b,{iso(0)}\nu,s,c,nan\nu,s,d,{iso(60_000)}\n"
    recording = read("user_id,session_id,item_id,timestamp\n" + rows)
    assert items(recording) == [["a"], ["b"], ["c"], ["d"]]
    assert gaps_ms(recording) == [0, 0, 0, 60_000]
    assert recording.notes == (
        "2 of 4 rows have no time (first: line 2): they happen with the row before them",
    )


@pytest.mark.parametrize("per_second", UNITS.values(), ids=UNITS)
def test_a_clock_at_zero_beside_times_of_today_says_no_time(per_second):
    times = [0, 0, 0, 1_709_251_200, 1_709_251_260]
    rows = "".join(f"u,s,{place},{time * per_second}\n" for place, time in enumerate(times))
    recording = read("user,session,item,timestamp\n" + rows)
    assert gaps_ms(recording) == [0, 0, 0, 0, 60_000]
    assert recording.notes[0].startswith("3 of 5 rows have no time (first: line 2)")


def test_a_clock_of_its_own_begins_at_zero():
    rows = "".join(f"u,s,{time},{time}\n" for time in (0, 5, 10))
    recording = read("user,session,item,timestamp\n" + rows)
    assert (gaps_ms(recording), recording.notes) == ([0, 5_000, 10_000], ())


def test_offsets_count_from_the_first_day_of_their_visit_even_if_a_row_names_none():
    rows = "s;a;1000;2016-05-09\ns;b;2000;\ns;c;3000;2016-05-10\n"
    recording = read("session_id;item_id;timeframe;eventdate\n" + rows)
    assert gaps_ms(recording) == [0, 1_000, 2_000]


def test_a_column_of_no_times_at_all_is_no_matter():
    recording = read("user_id,item_id,timestamp\nu,a,NULL\nu,b,\n")
    assert (items(recording), recording.notes) == ([["a"], ["b"]], ())


@pytest.mark.parametrize("note_bytes", [0, 10_000, 30_000])
def test_requests_stay_below_the_collectors_limits_in_events_and_bytes(note_bytes):
    event = {"event_type": "page_view", "user_id": "u", "properties": {"note": "x" * note_bytes}}
    recording = read((msgspec.json.encode(event) + b"\n") * 2_600)
    sizes = [len(request.events) for request in recording]
    assert sum(sizes) == 2_600
    assert max(sizes) <= REQUEST_EVENTS_MAX < EVENTS_MAX
    assert max(len(msgspec.json.encode(request.events)) for request in recording) < 2 * REQUEST_BYTES_MAX
    assert max(sizes) > 10
    numbers = [each["n"] for request in recording for each in request.events]
    assert numbers == list(range(2_600))


def test_events_of_one_visit_that_are_near_go_in_one_request():
    rows = "".join(f"u,s,{place},{iso(at)}\n" for place, at in enumerate((0, TOGETHER_MS, TOGETHER_MS + 1)))
    assert [len(request.events) for request in read("user,session,item,timestamp\n" + rows)] == [2, 1]
