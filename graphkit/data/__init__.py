"""Data sets, preprocessing and mini-batches: NumPy only, without TensorFlow's seconds."""
