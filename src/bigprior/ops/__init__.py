"""Mathematics without a home of its own."""
