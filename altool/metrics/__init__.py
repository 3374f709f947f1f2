"""Pure functions on arrays: per-class metrics with intervals, recall at precision, gaps to targets."""
