"""The mirror of the records in MLflow."""
