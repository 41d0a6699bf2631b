"""Implements the ports on AWS: the only room, beside the simulator's server, that knows asyncio and aiobotocore.

It imports nothing on purpose, and aiobotocore, 0.3 s of CPU, is imported by the functions that need it.
"""
