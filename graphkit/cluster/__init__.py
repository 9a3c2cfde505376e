"""Several processes that train one graph together, on TensorFlow's own servers and collectives."""
