"""Computes figures: of finished outputs (quantiles, paired differences, savings, prices), and of runs to come."""
