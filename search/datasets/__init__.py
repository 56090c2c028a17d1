"""From pictures that somebody has put together to a dataset: add, thin out, choose a sample, pack.

The mathematics (thinning, sampling, scores, file_names, cleaning, index) has no Django in it; works.py does what takes
time, in the background.
"""
