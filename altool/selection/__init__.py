"""The parts of `altool select`: options, pool, budgets, and rounds that ask."""
