"""What a step does to the parameters: losses, the optimizer with its groups, the schedule, averaging."""
