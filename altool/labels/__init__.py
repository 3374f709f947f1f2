"""Labels from people: what annotation tools exchange, how answers join the label log, and the consensus over annotators."""
