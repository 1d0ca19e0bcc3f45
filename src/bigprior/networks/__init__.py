"""Networks, none of which knows what it is used for."""
