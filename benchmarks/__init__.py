"""Speed and memory, as ratios to the raw limit of the same machine in the same run.

Nothing here is a test: tests say what is right, this says how fast. Every figure is taken only
after the results were proved equal to those of the raw limit.
"""
