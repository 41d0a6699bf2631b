"""The calls that a run makes per record, on HTTP/1.1 with no more machinery than they need.

`plane` opens it: what botocore resolved and the credentials enter, `ports` implementations leave. Everything
else (control calls, listings, deletes, credentials, endpoints) stays with `fanout.aws`. Like it, this package
is the edge: it knows asyncio.
"""
