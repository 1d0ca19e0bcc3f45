"""Resumable training loops: generators, and the networks that weigh them."""
