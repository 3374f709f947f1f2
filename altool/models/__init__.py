"""Classifiers: one file each, as `store.Classifier` says; `store.py` keeps what they fit on disk."""
