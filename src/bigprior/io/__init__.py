"""Files: the only place where ranges and colour orders change."""
