# SPDX-License-Identifier: Unlicense
"""All mutants, in the order of the sections of docs/faults.md."""
import deaths
import disk
import hostile
import memory
import sessions
import stops
import surroundings

MUTANTS = (deaths.MUTANTS + stops.MUTANTS + disk.MUTANTS + memory.MUTANTS + sessions.MUTANTS + hostile.MUTANTS +
           surroundings.MUTANTS)
