"""What every service stands on: settings, SQLite, the unit of work, and flowtrail. No business in here."""

from orderflow.platform.contracts import contracts
from orderflow.platform.database import connect, transaction
from orderflow.platform.messages import MalformedMessageError, Message
from orderflow.platform.service import Service, Subscription
from orderflow.platform.settings import Settings, SettingsError
from orderflow.platform.unit import UnitOfWork

__all__ = [
    "MalformedMessageError",
    "Message",
    "Service",
    "Settings",
    "SettingsError",
    "Subscription",
    "UnitOfWork",
    "connect",
    "contracts",
    "transaction",
]
