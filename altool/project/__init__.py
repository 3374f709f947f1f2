"""A project that runs itself: its settings, its rounds, the commands of a round, what happened."""
