"""Starts, watches and ends the processes that LMStrix consists of."""
