"""The `Customer` aggregate with its order history."""

from orderflow.customers.domain.customer import Customer
from orderflow.customers.domain.history import CustomerNotified, LoyaltyChecked, OrderRecord, RecordState

__all__ = ["Customer", "CustomerNotified", "LoyaltyChecked", "OrderRecord", "RecordState"]
