"""Recommendations: a sixth service, added later. It reads from the start and touches no producer."""

from orderflow.recommendations.service import build, often_bought_with

__all__ = ["build", "often_bought_with"]
