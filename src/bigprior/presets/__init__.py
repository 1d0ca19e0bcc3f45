"""Priors by name: which weights, of what origin."""
