"""What another package adds to bigprior: one thing a file, none of which knows of the others."""
