"""The embedded weights of bigprior; :mod:`bigprior.io.embedded` finds them here."""
