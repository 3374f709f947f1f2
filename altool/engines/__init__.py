"""Where row-wise work runs."""
