"""What exists and what it is doing: servers, models, tags, states, memory, usage, snapshots."""
