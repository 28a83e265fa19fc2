"""`python -m ziggurat` runs the program."""

import os
import subprocess
import sys

from ziggurat import find_binary


def main():
    program = find_binary()
    arguments = [program, *sys.argv[1:]]
    if sys.platform == "win32":
        sys.exit(subprocess.run(arguments).returncode)
    os.execv(program, arguments)


if __name__ == "__main__":
    main()
