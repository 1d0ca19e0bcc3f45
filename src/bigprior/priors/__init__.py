"""Priors: what is believed of pictures before one is measured."""
