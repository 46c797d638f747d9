# SPDX-License-Identifier: Unlicense
"""gevent: what greenlets log, when a fork comes, a ring is full, or the program ends."""
import sys

import greenlets

if __name__ == "__main__":
    sys.exit(greenlets.main("gevent"))
