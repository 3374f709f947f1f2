"""The parts of `altool score`: a model's predictions for rows, and the tables that they become."""
