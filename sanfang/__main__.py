"""`python -m sanfang` is the console script `sanfang`."""

from sanfang.cli import main

if __name__ == "__main__":
    main()
