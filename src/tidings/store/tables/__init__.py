"""Every fixed table of the store. `customer_attributes` alone is made by the vocabulary migrator."""

from tidings.store.tables import answers, journeys, keeping, money, people, sending
from tidings.store.tables.base import metadata

__all__ = ["answers", "journeys", "keeping", "metadata", "money", "people", "sending"]
