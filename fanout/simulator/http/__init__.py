"""Serves the local AWS on one HTTP port.

`connection` holds the sockets, `sigv4` checks signatures, and each service has a file. `server.serve` runs it,
`fanout.simulator.process.start` runs it as a child process. The state is `simulator.world.World`.
"""
