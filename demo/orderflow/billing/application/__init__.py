"""Reactions of Billing."""

from orderflow.billing.application.reactions import Accounts, charge_customer

__all__ = ["Accounts", "charge_customer"]
