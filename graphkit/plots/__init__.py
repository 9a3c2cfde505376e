"""Pictures of data, training and networks, as matplotlib figures that need no display."""
