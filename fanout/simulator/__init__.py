"""The local AWS: one asynchronous endpoint with its S3, SNS and SQS, modelled purely, on a clock that is handed in.

`world` holds the state and the physics, `memory` offers it as the engine's ports, `http` as a server.
Deterministic for a seed. It imports the words and the ports of fanout, never its engine.
"""
