"""`python -m altool`: the same as the `altool` command."""

from altool.cli import main

if __name__ == "__main__":
    main()
