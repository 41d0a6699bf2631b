"""What a run is told, and how that is put together from flags, variables, a TOML file and defaults."""
