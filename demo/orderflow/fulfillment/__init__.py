"""Fulfillment: packs and ships."""
