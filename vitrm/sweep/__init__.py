"""Many trainings, as a grid."""
