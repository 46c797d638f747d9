# SPDX-License-Identifier: Unlicense
"""python -m mplog is the mplog command, which lies beside this file."""
import os
import sys


def main():
    command = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mplog")
    os.execv(command, ["mplog"] + sys.argv[1:])


if __name__ == "__main__":
    main()
