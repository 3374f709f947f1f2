"""The parts of `altool embed`: the vector space, the rows that processes embed, and putting together what they stored."""
