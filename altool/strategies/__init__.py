"""Acquisition strategies: one file each, named after the strategy. They know arrays, never tables."""
