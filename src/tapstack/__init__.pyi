from tapstack.client import AsyncInsights, Insights
from tapstack.producer import AsyncProducer, Producer

__version__: str
__all__ = ["AsyncInsights", "AsyncProducer", "Insights", "Producer"]
