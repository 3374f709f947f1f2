"""From what a row of items holds (an image's bytes, a text, a file) to arrays, in worker processes."""
