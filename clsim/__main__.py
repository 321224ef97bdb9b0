"""``python -m clsim`` is the command line."""

from clsim.cli.main import main

if __name__ == "__main__":
    main()
