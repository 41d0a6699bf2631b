"""Makes the configuration of a run from flags, `FANOUT_*` variables, a TOML file and defaults."""
