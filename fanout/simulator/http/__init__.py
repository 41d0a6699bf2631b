"""The local AWS behind one HTTP port: sockets in `connection`, signatures in `sigv4`, one file a service.

`server.serve` runs it; `fanout.simulator.process.start` runs it as a child. The state is `simulator.world.World`.
"""
