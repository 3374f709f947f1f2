"""What classifiers are made with: `shape.py` says what one is, `registry.py` finds it, `store.py` keeps what it fits on disk."""
