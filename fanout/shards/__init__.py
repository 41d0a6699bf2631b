"""Runs one run on several processes: the plan, the workers, what they tell, and their sum."""
