"""By the names of the guide."""
