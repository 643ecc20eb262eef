"""The search for a better network: many short trainings that share a study."""
