"""What composes over any strategy: wrappers see queues, never how they came about."""
