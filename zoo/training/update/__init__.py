"""How a step changes the parameters: losses, the optimizer with its groups, the schedule, averaging."""
