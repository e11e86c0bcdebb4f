"""Inventory: sets goods aside for orders, and puts them back."""
