"""Classical filters that no package has in torch."""
