"""AWS behind the ports: the only place, beside the simulator's server, that knows asyncio and aiobotocore.

Empty of imports on purpose: `fanout.aws.settings` and `fanout.aws.regions` cost nothing, `fanout.aws.session`
(aiobotocore, 0.5 s) is imported when a run needs it.
"""
