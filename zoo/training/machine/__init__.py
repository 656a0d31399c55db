"""What the engine asks of the machine: processes, signals, memory, random draws, determinism."""
