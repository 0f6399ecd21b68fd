"""Searches on tables of architectures that others have trained."""
