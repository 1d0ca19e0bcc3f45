"""Generative networks ``G``."""
