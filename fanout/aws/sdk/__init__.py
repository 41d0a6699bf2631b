"""Implements the engine's ports on aiobotocore, for `transport.client = "aiobotocore"` and to compare with in tests."""
