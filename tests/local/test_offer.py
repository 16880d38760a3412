"""The commands that are offered show something, and are safe to paste whatever the ids are."""

from __future__ import annotations

import shlex
from urllib.parse import unquote

import pytest

from tapstack_local.offer import examples
from tapstack_local.reconciliation.accepted_events import CODES
from tapstack_local.reconciliation.tables import ItemRow, Tables, UserRow

URL = "http://127.0.0.1:8080"
VIEW, PURCHASE = CODES["item_view"], CODES["purchase"]


def item(**partners: int) -> dict[str, ItemRow]:
    return {"0": ItemRow({VIEW: 9}, [], 0, partners, {})}


def user(**counters: int) -> UserRow:
    counted: dict[int | str, int] = {CODES[name]: n for name, n in counters.items()}
    return UserRow({}, {}, floor_s=0, floor_day=0, counters=counted, pairs_count=0)


def paths(tables: Tables) -> list[str]:
    header, *lines, pages = examples(URL, tables).splitlines()
    assert header == "Try:"
    assert pages == f"In a browser: {URL}/v1/docs (reading) and {URL}/v1/events/docs (sending)"
    words = [shlex.split(line) for line in lines]
    assert all(each[:2] == ["curl", "-s"] for each in words)
    return [each[-1].removeprefix(URL) for each in words]


def test_they_show_an_item_with_partners_and_a_user_who_bought() -> None:
    tables = Tables(
        users={
            "U#busy": user(item_view=90),
            "A#buyer": user(item_view=4, purchase=1),
            "U#one": user(purchase=2),
        },
        items={"often": item(a=9), "popular": item(a=2, b=3, c=1), "alone": item()},
    )
    assert paths(tables) == [
        "/v1/trending?window=1h&n=5",
        "/v1/items/popular/also-viewed",
        "/v1/users/buyer",
        "/v1/users/buyer/recommendations?n=5",
    ]


def test_without_any_event_only_what_needs_none_is_offered() -> None:
    assert paths(Tables()) == ["/v1/trending?window=1h&n=5"]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "a b",
        "it's",
        '"$(touch x)`y`"',
        "a/b?c#d",
        "%2E",
        "\N{PERSON WITH BALL}",
        "-o",
        "[1-9]{a,b}",
    ],
)
def test_any_id_is_quoted_for_the_shell_and_in_the_address(name: str) -> None:
    tables = Tables(users={f"U#{name}": user(purchase=1)}, items={name: item(a=1)})
    _, of_item, of_user, _ = paths(tables)
    assert of_user.count("/") == 3
    assert unquote(of_user.rpartition("/")[2]) == name
    assert unquote(of_item.split("/")[3]) == name
    assert not set(of_user) & set(" .'\"#?[]{}`$") - ({"."} if name not in {".", ".."} else set())
    lines = examples(URL, tables).splitlines()
    assert all(("--path-as-is" in line) == (name in {".", ".."}) for line in lines[2:-1])
