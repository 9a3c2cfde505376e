"""Models for programs without graphkit: SavedModel, TFLite, ONNX and frozen graphs."""
