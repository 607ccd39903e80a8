"""The gateway: forwards requests of programs to the models behind LMStrix, and notes each of them."""
