"""Labeling rounds replayed on rows whose labels are known."""
