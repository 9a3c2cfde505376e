"""Training: what owns the session."""
