"""Models of files made trainable again: what they hold, which of it are weights, a graph of variables."""
