"""The engine and the machine: processes, signals, memory, random draws, determinism."""
