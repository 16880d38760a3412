"""The answers' shapes, as JSON shows them; a file a subject, as the routes have them.

Times are UTC, as RFC 3339 writes them. docs/reference/insights-api.md has an example of each.
"""

from __future__ import annotations

from tapstack.insights.answers.features import (
    AttributeFeature,
    AttributeService,
    AttributeView,
    DeclaredAttributes,
    FeatureRow,
    Features,
    FeatureTable,
    Interval,
)
from tapstack.insights.answers.impressions import (
    Conversion,
    ListImpressions,
    PositionShown,
    RecommendationShown,
    Step,
)
from tapstack.insights.answers.items import (
    ChangedItem,
    Changes,
    Item,
    Partner,
    Partners,
    Rates,
    Ratings,
    Refunds,
    WindowCounts,
)
from tapstack.insights.answers.recommending import Reason, Recommendation, Recommendations
from tapstack.insights.answers.service import Health, ProjectionStatus, Status
from tapstack.insights.answers.trends import (
    Categories,
    Category,
    CategoryCounts,
    RankedCategory,
    SearchTerm,
    SearchTerms,
    Trending,
    TrendingItem,
)
from tapstack.insights.answers.users import (
    LinkedVisitor,
    RecentItem,
    Session,
    Sessions,
    User,
    UserHistory,
    UserSessions,
)

Answer = (
    Features
    | DeclaredAttributes
    | ListImpressions
    | RecommendationShown
    | Conversion
    | Changes
    | Status
    | User
    | UserHistory
    | UserSessions
    | Item
    | Partners
    | Trending
    | Categories
    | Category
    | Recommendations
    | SearchTerms
    | Health
)

__all__ = [
    "Answer",
    "AttributeFeature",
    "AttributeService",
    "AttributeView",
    "Categories",
    "Category",
    "CategoryCounts",
    "ChangedItem",
    "Changes",
    "Conversion",
    "DeclaredAttributes",
    "FeatureRow",
    "FeatureTable",
    "Features",
    "Health",
    "Interval",
    "Item",
    "LinkedVisitor",
    "ListImpressions",
    "Partner",
    "Partners",
    "PositionShown",
    "ProjectionStatus",
    "RankedCategory",
    "Rates",
    "Ratings",
    "Reason",
    "RecentItem",
    "Recommendation",
    "RecommendationShown",
    "Recommendations",
    "Refunds",
    "SearchTerm",
    "SearchTerms",
    "Session",
    "Sessions",
    "Status",
    "Step",
    "Trending",
    "TrendingItem",
    "User",
    "UserHistory",
    "UserSessions",
    "WindowCounts",
]
