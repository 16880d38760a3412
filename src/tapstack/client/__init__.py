"""The client: answers of the insights API as typed values, for code that blocks and for coroutines.

``calls`` says what each method asks for, ``sending`` sends it and reads the answer. The guide is
docs/insights-client.md.
"""

from tapstack.client.asynchronous import AsyncInsights
from tapstack.client.blocking import Insights
from tapstack.client.calls import Filters
from tapstack.client.sending import Refused
from tapstack.errors import Unavailable

__all__ = ["AsyncInsights", "Filters", "Insights", "Refused", "Unavailable"]
