"""``python -m bigprior``: the command line."""

from bigprior.cli import main

if __name__ == "__main__":
    main()
