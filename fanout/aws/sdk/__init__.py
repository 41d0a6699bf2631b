"""Implements the same ports on aiobotocore: for `transport.client = "aiobotocore"`, and to compare with in tests."""
