"""Many pictures at once: found, restored one after another or by a cluster, and listed in a manifest.

:mod:`bigprior.jobs` restores each; here is only which, where to, and what to do when one fails.
"""
