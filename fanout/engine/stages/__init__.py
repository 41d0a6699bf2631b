"""Holds the stages of the engine, one verb a file; no stage imports another.

In the order of the data: admit, upload, record_intent, send, poll, fetch, write, delete.
"""
