"""Classifiers: one file each behind fit, probabilities, tensors and from_tensors; `store.py` keeps them on disk."""
