"""Labels from people: one file per annotation-tool format, and the consensus over annotators."""
