"""Routes about one user."""

from __future__ import annotations

from tapstack.insights.answers import User, UserHistory, UserSessions
from tapstack.insights.history import TYPES, history_view
from tapstack.insights.parameters import Choice
from tapstack.insights.route import Asked, Route
from tapstack.insights.routes.choices import CURSOR, LINKED, N
from tapstack.insights.users import sessions_view, user_view

_TYPE = Choice(name="type", into="type", values=TYPES, default="any")


def _history(asked: Asked) -> UserHistory | None:
    return history_view(
        asked.reader,
        asked.id,
        asked.now_s,
        asked.bounds,
        type_code=asked.type,
        n=asked.n,
        cursor=asked.cursor,
        linked=asked.linked,
    )


ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/users/{id}",
        summary="a user, or if there is none the anonymous visitor of that id",
        scopes=("users",),
        read=lambda asked: user_view(asked.reader, asked.id, asked.now_s, linked=asked.linked),
        answer=User,
        parameters=(LINKED,),
        subject="user",
    ),
    Route(
        path="/v1/users/{id}/history",
        summary="a user's interactions with items, newest first, a part at a time",
        read=_history,
        answer=UserHistory,
        scopes=("users",),
        parameters=(_TYPE, N, CURSOR, LINKED),
        subject="user",
    ),
    Route(
        path="/v1/users/{id}/sessions",
        summary="a user's visits: how many, the one that goes on, the newest",
        read=lambda asked: sessions_view(asked.reader, asked.id, asked.now_s, linked=asked.linked),
        answer=UserSessions,
        scopes=("users",),
        parameters=(LINKED,),
        subject="user",
    ),
)
