"""A page and a REST endpoint for restoring pictures on one's own machine: thin, no science. Needs ``bigprior[app]``."""
