"""The same ports through aiobotocore: for `transport.client = "aiobotocore"`, and as a second opinion in tests."""
