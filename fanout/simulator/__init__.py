"""Simulates the part of AWS that a run uses: one asynchronous endpoint with its S3, SNS and SQS.

`world` holds the state, which is pure and deterministic for a seed, on a clock that is handed in. `ports` offers it
as the engine's ports, `http` as a server. It imports the types and the ports of fanout, never its engine.
"""
