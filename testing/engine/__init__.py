"""A server with LM Studio's HTTP API that runs real llama.cpp inference on small models, with a memory budget."""
