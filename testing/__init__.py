"""What models can really do: context tests, benchmarks, health checks, and the embedded engine."""
