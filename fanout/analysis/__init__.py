"""Computes figures from finished outputs: quantiles, paired differences, savings, prices."""
