"""The recipes of builds, trainings and evaluations, and what loads them: `loader`, `Section`, `InputError`."""
