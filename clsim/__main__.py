"""``python -m clsim`` is the command line."""

from clsim.cli import main

if __name__ == "__main__":
    main()
