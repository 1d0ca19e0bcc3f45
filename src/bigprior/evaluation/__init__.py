"""Measurements of priors and restorers on pictures whose truth is known."""
