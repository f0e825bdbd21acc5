"""Where text comes from: vLLM over HTTP, the embedded server, a script, a recorded pool."""
