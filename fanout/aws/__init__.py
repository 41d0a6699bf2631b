"""Implements the ports on AWS: the only room, beside the simulator's server, that knows asyncio and aiobotocore.

It imports nothing on purpose: aiobotocore costs 0.3 s of CPU, so the functions that need it import it.
"""
