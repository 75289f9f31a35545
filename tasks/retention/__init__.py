"""Nothing is kept longer than somebody may need it: old versions, dead attempts' files, caches, uploads, results.

Never deleted: sources, what is public, and whatever belongs to an asset that a living job works on. Every deletion is
ordered so that a round killed at any line leaves something that the next round finds and finishes.
"""
