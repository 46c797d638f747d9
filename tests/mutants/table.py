# SPDX-License-Identifier: Unlicense
"""All mutants, in the order of docs/faults.md."""
import deaths

MUTANTS = deaths.MUTANTS
